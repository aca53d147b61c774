from django.db import migrations, models


class Migration(migrations.Migration):
    """Apart from the rows: PostgreSQL builds no index in the transaction that has just changed them."""

    dependencies = [("policies", "0004_drafts_order_and_authors")]

    operations = [
        migrations.RemoveField("policytemplate", "default_language"),
        migrations.AddIndex(
            "policytemplate", models.Index(fields=["tenant", "position", "id"], name="templates_in_order")
        ),
    ]
