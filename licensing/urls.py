"""Addresses of the device endpoints. They end without a slash: devices do not follow redirects."""

from django.urls import path, re_path

from licensing import views

urlpatterns = [
    re_path(r"^my/(?P<version>v[12])/servicediscovery$", views.ServiceDiscoveryView.as_view()),
    re_path(r"^my/(?P<version>v[12])/templates$", views.TemplatesView.as_view()),
    re_path(r"^my/(?P<version>v[12])/publishinglicenses$", views.PublishingLicensesView.as_view()),
    re_path(r"^my/(?P<version>v[12])/enduserlicenses$", views.UseLicensesView.as_view()),
    re_path(
        r"^my/(?P<version>v[12])/clientlogs/(?P<kind>debug|performance)$", views.ClientLogsView.as_view()
    ),
    path("t/<uuid:tenant_id>/_wmcs/<path:rest>", views.license_address),
    path("t/<uuid:tenant_id>/_wmcs", views.license_address),
]
