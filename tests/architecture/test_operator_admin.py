"""Operators see every model, or it stands here why not."""

from django.apps import apps
from django.contrib import admin

EXCUSED = {
    "tenants.GroupMember": "shown inside its group",
    "tenants.GroupNesting": "shown inside its group",
    "policies.LocalizedName": "shown inside its template version",
    "policies.TemplateGrant": "shown inside its template version",
    "policies.TemplateScope": "shown inside its template version",
}
OWN_APPS = {"audit", "tenants", "keys", "policies", "tracking", "licensing", "administration", "portal"}


def test_every_model_is_in_the_operator_admin_or_excused():
    registered = {model._meta.label for model in admin.site._registry}
    inlines = {
        inline.model._meta.label for entry in admin.site._registry.values() for inline in entry.inlines
    }
    own = {model._meta.label for model in apps.get_models() if model._meta.app_label in OWN_APPS}
    assert own - registered - inlines - set(EXCUSED) == set()


def test_excuses_are_needed():
    registered = {model._meta.label for model in admin.site._registry}
    assert set(EXCUSED) & registered == set()
