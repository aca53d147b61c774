"""The product's settings for tests: the same file, run in a data directory of its own."""

import atexit
import os
import shutil
import tempfile

_given = {name: os.environ.get(name, "") for name in ("RIGHTSKEEP_DATABASE_URL", "RIGHTSKEEP_BROKER_URL")}
_kept = ("RIGHTSKEEP_TEST_", "RIGHTSKEEP_SAMPLES")
for _name in [name for name in os.environ if name.startswith("RIGHTSKEEP_") and not name.startswith(_kept)]:
    del os.environ[_name]
os.environ.update({name: value for name, value in _given.items() if value})
_data_dir = tempfile.mkdtemp(prefix="rightskeep-tests-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)
os.environ["RIGHTSKEEP_DATA_DIR"] = _data_dir

from portal.settings import *
from portal.settings import DATA_DIR, DATABASES, STORAGES

# In a file, not in memory: live servers and workers open connections of their own.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
(DATA_DIR / "static").mkdir()
# In the database, so that sign-in codes and rate limits end with the test; real servers use Redis where it is the broker.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", "tenants.hashers.RandomSecretHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
