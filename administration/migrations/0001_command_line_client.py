"""The public client of the `rightskeep` command, so that signing in works on an installation from its first minute."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CLIENT_ID = "rightskeep-cli"
SCOPES = ("openid", "email", "profile", "licensing", "admin")
GRANTS = ("authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "refresh_token")


def make_client(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("allauth_idp_oidc", "Client").objects.get_or_create(
        id=CLIENT_ID,
        defaults={
            "name": "Rightskeep command line",
            "type": "public",
            "secret": "",
            "scopes": "\n".join(SCOPES),
            "default_scopes": "\n".join(SCOPES),
            "grant_types": "\n".join(GRANTS),
            "redirect_uris": "http://127.0.0.1:8765/callback",
        },
    )


def remove_client(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("allauth_idp_oidc", "Client").objects.filter(id=CLIENT_ID).delete()


class Migration(migrations.Migration):
    dependencies = [("allauth_idp_oidc", "0003_client_allow_uri_wildcards"), ("tenants", "0002_serviceprincipal")]
    operations = [migrations.RunPython(make_client, remove_client)]
