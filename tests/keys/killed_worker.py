"""A worker that is killed with SIGKILL, at every point where it changes anything outside itself; and two at once.

A process of its own, which has one thread and no open connection whenever it forks:

    python -m tests.keys.killed_worker kill STRIDE
    python -m tests.keys.killed_worker contend TENANTS

The environment names the database, which is empty and migrated. Prints JSON.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

from django.db import connection, transaction
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

CONTENT_KEY = b"a content key"
Documents = list[tuple[str, str]]  # the fingerprint of the key, and the content key sealed to it, hex


def main() -> None:
    task, number = sys.argv[1:]
    make = software.generate
    software.generate = lambda bits: make(bits // 2)  # real keys, made quickly
    found = {"kill": kill_everywhere, "contend": contend}[task](int(number))
    print(json.dumps(found))  # noqa: T201  (for the test that started this)


# --- one worker, killed ------------------------------------------------------------------------------------
def kill_everywhere(stride: int) -> dict[str, Any]:
    """Let workers die at the 1st, (1 + stride)th … point; each begins by checking what the one before it left."""
    documents, point, died = Documents(), 1, 0
    run(prepare)
    while True:
        found = run(live_and_die, documents, point)
        documents = found["documents"]
        if not found["killed"]:
            run(check_all, documents)
            return {"died": died, "points": point, "documents": len(documents)}
        died += 1
        point += stride


def prepare(say: Callable[[Any], None]) -> None:
    for slug in ("policy", "hand", "withdrawn"):
        tenant = Tenant.objects.create(slug=slug, name=slug, state="active")
        admin = User.objects.create_user(f"alice@{slug}.example", tenant=tenant)
        name_after_first_key(tenant)
        if slug == "policy":
            set_policy(tenant, Policy(every_days=365), actor=admin)
    say({})


def live_and_die(say: Callable[[Any], None], documents: Documents, point: int) -> None:
    tenants = {tenant.slug: tenant for tenant in Tenant.objects.all()}
    admins = {user.email.partition("@")[2].removesuffix(".example"): user for user in User.objects.all()}
    check_instant(tenants, documents[-9:])
    recover()
    check_instant(tenants, documents[-9:])
    check_story(tenants)
    age_keys(400)
    due = active_key(tenants["policy"].id).fingerprint
    documents += [seal(tenant) for tenant in tenants.values()]
    start_roll(tenants["withdrawn"], actor=admins["withdrawn"])
    say({"documents": documents})
    with_kill_at(point)
    roll_by_policy()
    start_roll(tenants["hand"], actor=admins["hand"])
    withdraw_roll(tenants["withdrawn"], actor=admins["withdrawn"])
    let_plans_pass()
    continue_rollovers()
    # Reached when the point lies behind the end: then everything is done.
    sweep_to_the_end()
    assert active_key(tenants["policy"].id).fingerprint != due


def name_after_first_key(tenant: Tenant) -> None:
    """So that the key that was not rolled in is known from the others."""
    tenant.name = create_first_key(tenant).fingerprint
    tenant.save()


def check_all(say: Callable[[Any], None], documents: Documents) -> None:
    check_instant({tenant.slug: tenant for tenant in Tenant.objects.all()}, documents)
    say({})


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


def with_kill_at(point: int) -> None:
    """From now on: die at the `point`th statement, commit or use of the key store, counted before and after each."""
    passed = 0

    def pass_point() -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(work: Callable[..., Any]) -> Callable[..., Any]:
        def traced(*args: Any, **options: Any) -> Any:
            pass_point()
            result = work(*args, **options)
            pass_point()
            return result

        return traced

    def statement(execute: Callable[..., Any], *args: Any) -> Any:
        pass_point()
        return execute(*args)

    connection.execute_wrappers.append(statement)
    connection._commit = around(connection._commit)  # type: ignore[attr-defined]  # where every commit passes
    software.generate = around(software.generate)
    software.load = around(software.load)


# --- two workers at once, and publications -----------------------------------------------------------------
def contend(count: int) -> dict[str, Any]:
    """Two workers roll `count` tenants while a third process protects documents in all of them."""
    run(prepare_many, count)
    workers = [start(work), start(work)]
    publisher = start(publish, workers)
    documents: Documents = finish(publisher)["documents"]
    switched = [finish(worker)["switched"] for worker in workers]
    return run(check_many, documents) | {"switched": switched}


def prepare_many(say: Callable[[Any], None], count: int) -> None:
    for number in range(count):
        tenant = Tenant.objects.create(slug=f"t{number}", name=f"Tenant {number}", state="active")
        admin = User.objects.create_user(f"alice@t{number}.example", tenant=tenant)
        name_after_first_key(tenant)
        age_keys(400)
        set_policy(tenant, Policy(every_days=365), actor=admin)
    say({})


def work(say: Callable[[Any], None]) -> None:
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


def publish(say: Callable[[Any], None], workers: list[tuple[int, int]]) -> None:
    documents = Documents()
    tenants = list(Tenant.objects.all())
    while True:
        at_work = any(is_running(pid) for pid, _ in workers)
        documents += [seal(tenant) for tenant in tenants]
        if not at_work:
            break
    say({"documents": documents})


def is_running(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def check_many(say: Callable[[Any], None], documents: Documents) -> None:
    let_announcements_pass()
    recover()
    tenants = {tenant.slug: tenant for tenant in Tenant.objects.all()}
    check_instant(tenants, documents)
    check_story(tenants)
    by_policy = AdminEvent.objects.filter(action="RollKey", actor="system").values("tenant_id")
    most = max(by_policy.annotate(times=Count("id")).values_list("times", flat=True))
    rolled = AdminEvent.objects.filter(action="ActivateKey").values("tenant_id").distinct().count()
    say({"rolled": rolled, "most": most, "documents": len(documents)})


# --- processes ---------------------------------------------------------------------------------------------
def run(work: Callable[..., None], *arguments: Any) -> dict[str, Any]:
    return finish(start(work, *arguments))


def start(work: Callable[..., None], *arguments: Any) -> tuple[int, int]:
    """Fork a process that does `work`, which says what it has found to the first argument it is given."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    status = 1
    try:
        os.close(reader)
        with os.fdopen(writer, "w", buffering=1) as pipe:
            work(lambda found: pipe.write(json.dumps(found) + "\n"), *arguments)
        status = 0
    except BaseException:  # noqa: BLE001  (nothing may return from a fork)
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def finish(process: tuple[int, int]) -> dict[str, Any]:
    """What a process has said; it may have been killed, but must not have failed."""
    pid, reader = process
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not killed and os.WEXITSTATUS(status) != 0:
        raise SystemExit("a worker failed")
    return {**json.loads(said), "killed": killed}


if __name__ == "__main__":
    main()
