"""Addresses of the admin API; all end in a slash."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from administration import schema
from administration.api import (
    directory,
    documents,
    domains,
    factors,
    groups,
    logs,
    people,
    powers,
    sign_on,
    views,
)

__all__ = ["schema"]  # imported to be known to drf-spectacular
app_name = "api"
urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("whoami/", views.WhoAmIView.as_view(), name="whoami"),
    path("organization/", views.OrganizationView.as_view(), name="organization"),
    path("organization/activate/", views.ActivateView.as_view(), name="activate"),
    path("organization/deactivate/", views.DeactivateView.as_view(), name="deactivate"),
    path("domains/", domains.DomainsView.as_view(), name="domains"),
    path("domains/<uuid:domain_id>/", domains.DomainView.as_view(), name="domain"),
    path("domains/<uuid:domain_id>/check/", domains.CheckDomainView.as_view(), name="check-domain"),
    path("templates/", views.TemplateListView.as_view(), name="templates"),
    path("templates/<uuid:pk>/", views.TemplateView.as_view(), name="template"),
    path("people/", people.PeopleView.as_view(), name="people"),
    path("people/<uuid:person_id>/", people.PersonView.as_view(), name="person"),
    path("people/<uuid:person_id>/addresses/", people.AddressesView.as_view(), name="addresses"),
    path("invitations/", people.InvitationsView.as_view(), name="invitations"),
    path("invitations/<uuid:invitation_id>/", people.InvitationView.as_view(), name="invitation"),
    path("people/<uuid:person_id>/reset-factors/", factors.ResetFactorsView.as_view(), name="reset-factors"),
    path("organization/second-factor/", factors.SecondFactorView.as_view(), name="second-factor"),
    path("groups/", groups.GroupsView.as_view(), name="groups"),
    path("groups/<uuid:group_id>/", groups.GroupView.as_view(), name="group"),
    path("groups/<uuid:group_id>/members/", groups.MembersView.as_view(), name="members"),
    path("roles/", powers.RolesView.as_view(), name="roles"),
    path("roles/<uuid:role_id>/", powers.RoleView.as_view(), name="role"),
    path("super-users/", powers.SuperUsersView.as_view(), name="super-users"),
    path("super-users/feature/", powers.SuperUserFeatureView.as_view(), name="super-user-feature"),
    path("super-users/<uuid:appointment_id>/", powers.SuperUserView.as_view(), name="super-user"),
    path(
        "super-users/<uuid:appointment_id>/approve/",
        powers.ApproveSuperUserView.as_view(),
        name="approve-super-user",
    ),
    path("onboarding/", powers.OnboardingView.as_view(), name="onboarding"),
    path("services/", powers.ServicesView.as_view(), name="services"),
    path("services/<uuid:service_id>/", powers.ServiceView.as_view(), name="service"),
    path("services/<uuid:service_id>/rotate/", powers.RotateServiceView.as_view(), name="rotate-service"),
    path("devices/", powers.DevicesView.as_view(), name="devices"),
    path("devices/<slug:program>/", powers.DeviceView.as_view(), name="device"),
    path("identity-provider/", sign_on.IdentityProviderView.as_view(), name="identity-provider"),
    path("scim-tokens/", directory.ScimTokensView.as_view(), name="scim-tokens"),
    path("scim-tokens/<uuid:token_id>/", directory.ScimTokenView.as_view(), name="scim-token"),
    path("keys/", views.KeysView.as_view(), name="keys"),
    path("keys/roll/", views.RollKeyView.as_view(), name="roll-key"),
    path("keys/<uuid:pk>/", views.KeyView.as_view(), name="key"),
    path("documents/", documents.DocumentsView.as_view(), name="documents"),
    path("documents/<uuid:content_id>/", documents.DocumentView.as_view(), name="document"),
    path("documents/<uuid:content_id>/openings/", documents.OpeningsView.as_view(), name="openings"),
    path("documents/<uuid:content_id>/revoke/", documents.RevokeView.as_view(), name="revoke"),
    path("documents/<uuid:content_id>/restore/", documents.RestoreView.as_view(), name="restore"),
    path("documents/<uuid:content_id>/seal/", documents.SealView.as_view(), name="seal"),
    path("logs/usage/", logs.UsageDaysView.as_view(), name="usage-days"),
    path("logs/usage/<str:day>/", logs.UsageDayView.as_view(), name="usage-day"),
    path("logs/admin/", logs.AdminLogView.as_view(), name="admin-log"),
]
