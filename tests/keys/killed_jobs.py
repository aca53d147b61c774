"""A worker that is killed with SIGKILL in the jobs around keys, at every commit and every use of the key store; and two at once.

    python -m tests.keys.killed_jobs PLACE ORGANIZATIONS

PLACE says where keys are kept, ORGANIZATIONS how many two workers contend for. The environment names the database, which is empty and migrated. Prints JSON.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import connection

from keys import importing, keeping
from keys.backends import pkcs11, software
from keys.custody import forget_loaded
from keys.models import ImportKey, InstallationKey, KeyVersion
from tenants.freshness import forget_facts
from tests.keys.bringing import own_key
from tests.keys.jobs import JOBS, RECIPIENT, TOKEN_JOBS, Destroying, SealingAnew
from tests.keys.processes import Say, finish, kill_everywhere, run, start
from tests.keys.tokens import PIN, held_in_token, library, make_token
from tracking import resealing
from tracking.destruction import carry_out_due
from tracking.models import Document
from tracking.resealing import continue_resealings

_made: list[int] = []  # the sizes of the keys of this round


def main() -> None:
    place, organizations = sys.argv[1:]
    make, generate_in_token = software.generate, pkcs11.Token.generate
    stock = [make(2048) for _ in range(4)]

    def generate(bits: int) -> tuple[int, bytes]:
        """From a stock that is made once, as each round begins without keys; small ones for many organizations at once."""
        _made.append(bits)
        return stock[len(_made) - 1] if len(_made) <= len(stock) else make(1024)

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(software, "generate", generate)
        # Real keys, made quickly.
        patch.setattr(
            pkcs11.Token, "generate", lambda token, name, bits: generate_in_token(token, name, bits // 2)
        )
        patch.setattr(importing, "IMPORT_BITS", 2048)
        patch.setattr(resealing, "BATCH", 2)
        own_key(), own_key(RECIPIENT, 3072)
        warm_up()
        if place == "pkcs11":
            make_token(Path(folder))
            settings.PKCS11_MODULE, settings.PKCS11_TOKEN_PIN, settings.NEW_KEYS = library(), PIN, place
        found = {"died": kill(place), "contended": contend(int(organizations))}
    print(json.dumps(found))  # noqa: T201  (for the test that started this)


def kill(place: str) -> dict[str, int]:
    """How many workers died of each job."""
    return {job.__name__: died_of(job) for job in (TOKEN_JOBS if place == "pkcs11" else JOBS)}


def died_of(job: Any) -> int:
    return kill_everywhere(lambda _: begin(job), job.act, job.check)[0]


def warm_up() -> None:
    """What is loaded on the first occasion is there in every fork."""
    for job in JOBS:
        facts = begin(job)
        job.act(facts)
        job.check(facts)
    connection.close()


def begin(job: Any) -> Any:
    """With nothing left of the round before, whose keys are used again."""
    _made.clear()
    forget_facts()
    forget_loaded()
    models: Any = (Document, KeyVersion, InstallationKey, ImportKey, Authenticator)
    for model in models:
        model.objects.all().delete()
    if settings.PKCS11_MODULE:
        for key_id in held_in_token():
            keeping._token().destroy(key_id)
    return job.prepare()


# --- two workers at once -----------------------------------------------------------------------------------
def contend(count: int) -> dict[str, list[int]]:
    """Two workers destroy keys and seal documents anew, in as many organizations each. Returns what each of them did."""
    prepared = run(prepare_many, count)
    (ready, is_ready), (go, has_gone) = os.pipe(), os.pipe()
    workers = [start(work, is_ready, go, has_gone) for _ in range(2)]
    os.read(ready, 1), os.read(ready, 1)
    os.close(has_gone)
    did = [finish(worker)[0] for worker in workers]
    run(check_many, prepared)
    return {name: [each[name] for each in did] for name in ("destroyed", "sealed")}


def prepare_many(say: Say, count: int) -> None:
    say([[job.prepare() for _ in range(count)] for job in (Destroying, SealingAnew)])


def work(say: Say, is_ready: int, go: int, has_gone: int) -> None:
    """Begins when both are ready."""
    connection.ensure_connection()
    os.close(has_gone)
    os.write(is_ready, b".")
    os.read(go, 1)
    destroyed = sealed = 0
    for _ in range(3):
        destroyed, sealed = destroyed + carry_out_due(), sealed + continue_resealings()
    say({"destroyed": destroyed, "sealed": sealed})


def check_many(say: Say, prepared: Any) -> None:
    destroyed, sealed = prepared
    for facts in destroyed:
        Destroying.check(facts)
    for facts in sealed:
        SealingAnew.check(facts)
    say({})


if __name__ == "__main__":
    main()
