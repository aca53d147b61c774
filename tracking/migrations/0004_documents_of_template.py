from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [("tracking", "0003_owners_by_person")]

    operations = [
        migrations.AddIndex(
            "document",
            models.Index(
                fields=["tenant", "template_id"],
                condition=Q(template_id__isnull=False),
                name="documents_of_template",
            ),
        ),
    ]
