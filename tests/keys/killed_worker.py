"""A worker that is killed with SIGKILL, while it rolls keys, at every commit and every use of the key store; and two at once.

A process of its own, which has one thread and no open connection whenever it forks:

    python -m tests.keys.killed_worker kill STRIDE
    python -m tests.keys.killed_worker contend TENANTS

The environment names the database, which is empty and migrated. Prints JSON.
"""

import json
import os
import sys
import time
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

from django.db import transaction
from django.db.models import Count

from audit.models import AdminEvent
from keys.backends import software
from keys.custody import active_key, find_key, forget_loaded, hold_active
from keys.errors import KeyNoLongerActiveError, RollInProgressError
from keys.models import KeyVersion
from keys.rollover import create_first_key, start_roll
from keys.schedule import Policy, set_policy, withdraw_roll
from keys.tasks import continue_rollovers, roll_by_policy
from tenants.freshness import forget_facts
from tenants.models import Tenant, User
from tests.keys.aging import age_keys, let_announcements_pass, let_claims_run_out, let_plans_pass
from tests.keys.processes import Say, finish, is_running, kill_everywhere, run, start

CONTENT_KEY = b"a content key"
Documents = list[tuple[str, str]]  # the fingerprint of the key, and the content key sealed to it, hex


def main() -> None:
    task, number = sys.argv[1:]
    make = software.generate
    software.generate = lambda bits: make(bits // 2)  # real keys, made quickly
    found = {"kill": kill, "contend": contend}[task](int(number))
    print(json.dumps(found))  # noqa: T201  (for the test that started this)


# --- one worker, killed ------------------------------------------------------------------------------------
def kill(stride: int) -> dict[str, Any]:
    run(prepare)
    died, last = kill_everywhere(
        make_ready, roll_and_withdraw, check_and_recover, stride=stride, done=check_all
    )
    return {"died": died, "documents": len(last["documents"])}


def prepare(say: Say) -> None:
    for slug in ("policy", "hand", "withdrawn"):
        tenant = Tenant.objects.create(slug=slug, name=slug, state="active")
        admin = User.objects.create_user(f"alice@{slug}.example", tenant=tenant)
        name_after_first_key(tenant)
        if slug == "policy":
            set_policy(tenant, Policy(every_days=365), actor=admin)
    say({})


def make_ready(left: Any) -> dict[str, Any]:
    """Every active key has something sealed to it and is due."""
    tenants = tenants_by_slug()
    age_keys(400)
    due = active_key(tenants["policy"].id).fingerprint
    documents = left["documents"] if left else []
    documents += [seal(tenant) for tenant in tenants.values()]
    start_roll(tenants["withdrawn"], actor=admin_of(tenants["withdrawn"]))
    return {"documents": documents, "due": due}


def roll_and_withdraw(ready: dict[str, Any]) -> None:
    tenants = tenants_by_slug()
    roll_by_policy()
    start_roll(tenants["hand"], actor=admin_of(tenants["hand"]))
    withdraw_roll(tenants["withdrawn"], actor=admin_of(tenants["withdrawn"]))
    let_plans_pass()
    continue_rollovers()
    # Reached when the point lies behind the end: then everything is done.
    sweep_to_the_end()
    assert active_key(tenants["policy"].id).fingerprint != ready["due"]


def check_and_recover(left: dict[str, Any]) -> None:
    tenants = tenants_by_slug()
    check_instant(tenants, left["documents"][-9:])
    recover()
    check_instant(tenants, left["documents"][-9:])
    check_story(tenants)


def check_all(left: dict[str, Any]) -> None:
    check_instant(tenants_by_slug(), left["documents"])


def tenants_by_slug() -> dict[str, Tenant]:
    return {tenant.slug: tenant for tenant in Tenant.objects.all()}


def admin_of(tenant: Tenant) -> User:
    return User.objects.get(email=f"alice@{tenant.slug}.example")


def name_after_first_key(tenant: Tenant) -> None:
    """So that the key that was not rolled in is known from the others."""
    tenant.name = create_first_key(tenant).fingerprint
    tenant.save()


def recover() -> None:
    """What beat does, once the dead worker's claim has run out and the announced time has come."""
    let_claims_run_out()
    roll_by_policy()
    let_plans_pass()
    sweep_to_the_end()


def sweep_to_the_end() -> None:
    """Several ticks of beat: what the database has not yet noticed to be a dead worker's is left to the next one."""
    for _ in range(100):
        continue_rollovers()
        if not KeyVersion.objects.filter(state="pending").exists():
            return
        time.sleep(0.05)
    raise AssertionError("a roll is never finished")


def check_instant(tenants: dict[str, Tenant], documents: Documents) -> None:
    """What holds at every instant: one active key each, and every document opens."""
    forget_facts()
    forget_loaded()
    for tenant in tenants.values():
        assert KeyVersion.objects.for_tenant(tenant).filter(state="active").count() == 1
    for fingerprint, block in documents:
        key = find_key(fingerprint)
        assert key is not None and key.decrypt(bytes.fromhex(block)) == CONTENT_KEY


def check_story(tenants: dict[str, Tenant]) -> None:
    """The admin log tells of every key once: that it was made, and that it became active or was withdrawn."""
    for tenant in tenants.values():
        made = KeyVersion.objects.for_tenant(tenant).exclude(fingerprint=tenant.name)
        told = AdminEvent.objects.for_tenant(tenant.id).exclude(action="ChangeRollPolicy")
        expected = {("RollKey", key.fingerprint) for key in made}
        expected |= {
            ("WithdrawKey" if key.state == "withdrawn" else "ActivateKey", key.fingerprint) for key in made
        }
        assert sorted(told.values_list("action", "target")) == sorted(expected), tenant.slug


def seal(tenant: Tenant) -> tuple[str, str]:
    """As a publication: with the active key, which is held until the end of the transaction that registers it."""
    for _ in range(3):
        key = active_key(tenant.id)
        try:
            key.sign(CONTENT_KEY)
            with transaction.atomic():
                hold_active(key)
        except KeyNoLongerActiveError:
            continue
        return key.fingerprint, key.public_key.encrypt_oaep(CONTENT_KEY).hex()
    raise AssertionError("a publication failed three times")


# --- two workers at once, and publications -----------------------------------------------------------------
def contend(count: int) -> dict[str, Any]:
    """Two workers roll `count` tenants while a third process protects documents in all of them."""
    run(prepare_many, count)
    workers = [start(work), start(work)]
    publisher = start(publish, workers)
    documents: Documents = finish(publisher)[0]["documents"]
    switched = [finish(worker)[0]["switched"] for worker in workers]
    found: dict[str, Any] = run(check_many, documents)
    return found | {"switched": switched}


def prepare_many(say: Say, count: int) -> None:
    for number in range(count):
        tenant = Tenant.objects.create(slug=f"t{number}", name=f"Tenant {number}", state="active")
        admin = User.objects.create_user(f"alice@t{number}.example", tenant=tenant)
        name_after_first_key(tenant)
        age_keys(400)
        set_policy(tenant, Policy(every_days=365), actor=admin)
    say({})


def work(say: Say) -> None:
    switched = 0
    for _ in range(6):
        roll_by_policy()
        try:
            tenant = Tenant.objects.order_by("?")[0]
            start_roll(tenant, actor=User.objects.get(tenant=tenant))
        except RollInProgressError:
            pass
        let_plans_pass()
        before = AdminEvent.objects.filter(action="ActivateKey").count()
        continue_rollovers()
        switched += AdminEvent.objects.filter(action="ActivateKey").count() - before
    say({"switched": switched})


def publish(say: Say, workers: list[tuple[int, int]]) -> None:
    documents = Documents()
    tenants = list(Tenant.objects.all())
    while True:
        at_work = any(is_running(worker) for worker in workers)
        documents += [seal(tenant) for tenant in tenants]
        if not at_work:
            break
    say({"documents": documents})


def check_many(say: Say, documents: Documents) -> None:
    let_announcements_pass()
    recover()
    tenants = {tenant.slug: tenant for tenant in Tenant.objects.all()}
    check_instant(tenants, documents)
    check_story(tenants)
    by_policy = AdminEvent.objects.filter(action="RollKey", actor="system").values("tenant_id")
    most = max(by_policy.annotate(times=Count("id")).values_list("times", flat=True))
    rolled = AdminEvent.objects.filter(action="ActivateKey").values("tenant_id").distinct().count()
    say({"rolled": rolled, "most": most, "documents": len(documents)})


if __name__ == "__main__":
    main()
