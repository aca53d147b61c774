"""Each private key lay under the key-encryption key; now it lies under a wrapping key of its own.

In one transaction: a server that is stopped in between finds everything as it was. No key is looked at twice.
"""

import hashlib
import os

from django.conf import settings
from django.db import migrations

from rms.errors import SealError
from rms.sealing import seal, unseal

TABLE = "keys_keyversion"
WRAPPINGS = "keys_wrappingkey"


def wrap(apps, schema_editor):
    keys = apps.get_model("keys", "KeyVersion")
    wrappings = apps.get_model("keys", "WrappingKey")
    old = keys.objects.filter(sealed_private__isnull=False, wrapping__isnull=True)
    present = settings.KEY_ENCRYPTION_KEY.encode()
    kek_id = hashlib.sha256(b"kek-id" + present).hexdigest()[:16]
    for key_id in list(old.values_list("pk", flat=True)):
        record = keys.objects.get(pk=key_id)
        place = f"{TABLE}/{record.id}/{record.tenant_id}/{record.fingerprint}".encode()
        private = open_old(bytes(record.sealed_private), place, record.fingerprint)
        wrapping = os.urandom(32)
        record.sealed_private = seal(wrapping, private, purpose="tenant-key", associated=place)
        record.save(update_fields=["sealed_private"])
        sealed = seal(present, wrapping, purpose="wrapping-key", associated=f"{WRAPPINGS}/".encode() + place)
        wrappings.objects.create(key_id=record.pk, sealed=sealed, kek_id=kek_id)


def open_old(sealed, place, fingerprint):
    for key in (settings.KEY_ENCRYPTION_KEY, settings.KEY_ENCRYPTION_KEY_PREVIOUS):
        try:
            if key:
                return unseal(key.encode(), sealed, purpose="tenant-key", associated=place)
        except SealError:
            continue
    # Going on would leave a key behind that opens nothing, and with the wrong key-encryption key all of them.
    raise RuntimeError(
        f"The private key {fingerprint[:16]} cannot be unsealed: is this the right key-encryption key? "
        "Nothing has been changed."
    )


class Migration(migrations.Migration):

    dependencies = [("keys", "0002_custody")]
    operations = [migrations.RunPython(wrap)]
