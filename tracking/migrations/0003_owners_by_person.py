from django.db import migrations, models


def owners_by_person(apps, schema_editor):
    """Whoever protected for themselves is the owner; of an owner who was named, only the address was kept."""
    documents = apps.get_model("tracking", "Document").objects
    documents.filter(owner_address=models.F("issuer_address")).update(owner_id=models.F("issuer_id"))


class Migration(migrations.Migration):

    dependencies = [("tracking", "0002_access_changes")]

    operations = [migrations.RunPython(owners_by_person, migrations.RunPython.noop, elidable=True)]
