"""Finding people by a part of a name or address, among a hundred thousand: trigrams, where PostgreSQL has them.

`pg_trgm` comes with PostgreSQL and may be made by the owner of a database. Where it may not, searching reads all people of
the installation: slower, and right.
"""

from django.db import DatabaseError, migrations, transaction

INDEXES = {
    "people_email_parts": ("tenants_user", "email"),
    "people_name_parts": ("tenants_user", "name"),
    "alias_parts": ("account_emailaddress", "email"),
}


def make(apps, schema_editor):
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DatabaseError:
        return
    for name, (table, column) in INDEXES.items():
        schema_editor.execute(
            f"CREATE INDEX IF NOT EXISTS {name} ON {table} USING gin (upper({column}::text) gin_trgm_ops)"
        )


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for name in INDEXES:
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0008_tenant_languages"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]
    operations = [migrations.RunPython(make, remove)]
