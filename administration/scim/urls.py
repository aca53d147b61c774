"""Addresses of SCIM below `t/<tenant>/scim/v2/`; with and without a slash at the end, as directories write them."""

from django.urls import re_path

from administration.scim import views

app_name = "scim"
urlpatterns = [
    re_path(r"^ServiceProviderConfigs?/?$", views.service_provider_config, name="config"),
    re_path(r"^ResourceTypes(?:/(?P<name>[^/]+))?/?$", views.resource_types, name="resource-types"),
    re_path(r"^Schemas(?:/(?P<name>[^/]+))?/?$", views.schemas, name="schemas"),
    re_path(r"^(?P<plural>Users|Groups)/?$", views.collection, name="collection"),
    re_path(r"^(?P<plural>Users|Groups)/\.search/?$", views.search, name="search"),
    re_path(r"^(?P<plural>Users|Groups)/(?P<name>[^/]+)/?$", views.member, name="member"),
    re_path(r"^Bulk/?$", views.bulk, name="bulk"),
    re_path(r"^Me(?:/.*)?$", views.me, name="me"),
    re_path(r"^\.search/?$", views.search_everything, name="search-everything"),
    re_path(r"^(?P<path>.*)$", views.nothing, name="nothing"),
]
