"""Every address of the installation. (Licensing may also be served alone: `licensing.urls`.)"""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, register_converter

from portal import (
    design,
    devices,
    documents,
    domains,
    groups,
    health,
    home,
    keys,
    logs,
    organization,
    people,
    preferences,
    profile,
    protect,
    sign_in_again,
    templates_pages,
)

register_converter(logs.DayConverter, "day")

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("organization/new/", home.new_organization, name="organization_new"),
    path("help/", home.help_page, name="help"),
    path("protect/", protect.protect_page, name="protect"),
    path("protect/license/", protect.protect_license, name="protect-license"),
    path("protect/seal/", protect.protect_seal, name="protect-seal"),
    path("open/", protect.open_page, name="open"),
    path("open/license/", protect.open_license, name="open-license"),
    path("documents/", documents.document_list, name="documents"),
    path("documents/<uuid:content_id>/", documents.document, name="document"),
    path("documents/<uuid:content_id>/revoke/", documents.revoke, name="document_revoke"),
    path("documents/<uuid:content_id>/restore/", documents.restore, name="document_restore"),
    path("templates/", templates_pages.template_list, name="templates"),
    path("templates/<uuid:template_id>/", templates_pages.template, name="template"),
    path("people/", people.people_list, name="people"),
    path("people/<uuid:person_id>/", people.person, name="person"),
    path("groups/", groups.group_list, name="groups"),
    path("groups/<uuid:group_id>/", groups.group, name="group"),
    path("keys/", keys.key_list, name="keys"),
    path("keys/roll/", keys.roll, name="key_roll"),
    path("logs/", logs.usage_log, name="logs"),
    path("logs/usage/<day:day>/", logs.usage_day, name="usage_day"),
    path("logs/changes/", logs.admin_log, name="admin_log"),
    path("settings/", organization.settings_page, name="settings"),
    path("settings/activate/", organization.activate, name="activate"),
    path("settings/deactivate/", organization.deactivate, name="deactivate"),
    path("settings/domains/", domains.domain_list, name="domains"),
    path("settings/domains/<uuid:domain_id>/", domains.domain, name="domain"),
    path("settings/domains/<uuid:domain_id>/check/", domains.domain_check, name="domain_check"),
    path("settings/domains/<uuid:domain_id>/remove/", domains.domain_remove, name="domain_remove"),
    path("profile/", profile.profile, name="profile"),
    path("sign-in-again/", sign_in_again.sign_in_again, name="sign_in_again"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("design/", design.design, name="design"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("operator/", admin.site.urls),
    path("api/v1/", include("administration.api.urls")),
    path("accounts/", include("allauth.account.urls")),
    # Before the provider's own address of the same page, see `devices`.
    path("identity/o/device", devices.device, name="device"),
    path("identity/o/authorize", devices.authorize, name="authorize"),
    path("", include("allauth.idp.urls")),
    path("", include("licensing.urls")),
]

handler400 = "portal.errors.bad_request"
handler403 = "portal.errors.forbidden"
handler404 = "portal.errors.not_found"
handler500 = "portal.errors.broken"
