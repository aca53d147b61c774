from django.db import migrations, models

import tenants.languages


class Migration(migrations.Migration):

    dependencies = [("tenants", "0007_merged_and_stated")]

    operations = [
        migrations.AddField(
            "tenant",
            "languages",
            models.JSONField(
                default=tenants.languages.default_languages,
                help_text="what templates are written in, tags of tenants.languages",
            ),
        ),
    ]
