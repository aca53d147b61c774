import django.db.models.deletion
from django.db import migrations, models

_COLUMNS = "document_id, key_id, body_digest, block, unreadable"
# A table of its own, since no database changes a primary key in place as the other does.
_COPY = f"INSERT INTO tracking_keptlicense ({_COLUMNS}) SELECT {_COLUMNS} FROM tracking_sealedcopy ORDER BY document_id"  # noqa: S608
# On the way back there is room for one license of each document: that of its publication.
_COPY_BACK = (
    f"INSERT INTO tracking_sealedcopy ({_COLUMNS}) SELECT {_COLUMNS} FROM tracking_keptlicense "  # noqa: S608
    "WHERE id IN (SELECT MIN(id) FROM tracking_keptlicense GROUP BY document_id)"
)


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0008_incidents"),
        ("tracking", "0006_disabling"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeptLicense",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("body_digest", models.BinaryField(max_length=32)),
                ("block", models.BinaryField(max_length=512)),
                ("unreadable", models.BooleanField(default=False, help_text="could not be sealed anew")),
                ("document", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="sealed_copies", to="tracking.document")),
                ("key", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="keys.keyversion")),
            ],
        ),
        migrations.RunSQL(_COPY, _COPY_BACK),
        migrations.DeleteModel(name="SealedCopy"),
        migrations.RenameModel(old_name="KeptLicense", new_name="SealedCopy"),
        migrations.AddIndex(
            model_name="sealedcopy",
            index=models.Index(fields=["key", "document"], name="sealed_copies_on_key"),
        ),
        migrations.AddConstraint(
            model_name="sealedcopy",
            constraint=models.UniqueConstraint(fields=("document", "body_digest"), name="one_sealed_copy_per_license"),
        ),
    ]
