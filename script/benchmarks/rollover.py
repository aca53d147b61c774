"""`script/bench rollover`: organizations rolled a second by one worker on PostgreSQL, beside making RSA keys alone.

A database of its own (dropped again) with organizations whose keys are due by policy. Measured is what beat's jobs do,
from finding out what is due to the archived old key; in between the day passes for which a new key is announced. The
reference is what making the very same keys took within that time, the library's call alone: how long the search for
primes takes is luck, so other keys would compare luck.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from script.benchmarks import scratch

ROOT = Path(__file__).resolve().parents[2]
BITS = 2048


def main() -> None:
    """Measure in a process that has a database of its own, and end with one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="script/bench rollover", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--tenants", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(_measure(options.tenants)))
        return
    with scratch.database() as address, tempfile.TemporaryDirectory(prefix="rightskeep-bench-") as directory:
        environment = scratch.environment_for(address, Path(directory))
        command = [sys.executable, "-m", __spec__.name, "--inside", "--tenants", str(options.tenants)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)


def _measure(count: int) -> dict[str, Any]:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    from django.core.management import call_command

    from keys.models import KeyVersion

    call_command("migrate", verbosity=0)
    started = time.monotonic()
    _organizations(count)
    print(f"{count} organizations: filled in {time.monotonic() - started:.0f} s", flush=True)
    made, switched, seconds, alone = _roll_all()
    states = [KeyVersion.objects.filter(state=state).count() for state in ("active", "archived", "pending")]
    if (made, switched, states) != (count, count, [count, count, 0]):
        raise SystemExit(
            f"{made} made, {switched} switched, {states}: not every organization was rolled once."
        )
    rate, reference = count / sum(seconds.values()), count / alone
    return {
        "name": "rollover",
        "figure": round(rate, 2),
        "unit": "organizations/s",
        "reference": round(reference, 2),
        "ratio": round(rate / reference, 3),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "reference_is": f"the same RSA {BITS} keys made a second, the call alone",
        "tenants": count,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def _roll_all() -> tuple[int, int, dict[str, float], float]:
    """How many keys were made and switched to, the seconds of each step, and those that making the keys alone took."""
    from keys.backends import software
    from keys.rollover import finish_due_rolls
    from keys.schedule import replan, roll_due
    from tests.keys.aging import let_plans_pass

    alone, make = 0.0, software.generate

    def generate(bits: int) -> tuple[int, bytes]:
        nonlocal alone
        alone -= time.monotonic()
        made = make(bits)
        alone += time.monotonic()
        return made

    software.generate = generate
    seconds = {"plan": -time.monotonic()}
    replan()
    now = time.monotonic()
    seconds["plan"] += now
    seconds["make"] = -now
    made = roll_due(seconds=float("inf"))
    seconds["make"] += time.monotonic()
    let_plans_pass()
    seconds["switch"] = -time.monotonic()
    switched = finish_due_rolls(seconds=float("inf"))
    seconds["switch"] += time.monotonic()
    return made, switched, seconds, alone


def _organizations(count: int) -> None:
    """Organizations whose keys are 400 days old and rolled every year. One private key serves all: none is used here."""
    from datetime import timedelta

    from django.utils import timezone

    from keys import keeping
    from keys.models import KeyVersion, RollPolicy
    from tenants.models import Tenant

    then = timezone.now() - timedelta(days=400)
    for first in range(0, count, 1000):
        numbers = range(first, min(first + 1000, count))
        tenants = Tenant.objects.bulk_create(
            [
                Tenant(slug=f"org-{number}", name=f"Organization {number}", state="active")
                for number in numbers
            ]
        )
        pattern = keeping.new_key(tenants[0].id, bits=BITS, state=KeyVersion.State.ACTIVE, place="software")
        keys = [
            KeyVersion(
                tenant=tenant,
                bits=BITS,
                state=KeyVersion.State.ACTIVE,
                modulus=pattern.modulus,
                fingerprint=uuid.uuid4().hex,
                sealed_private=pattern.sealed_private,
                activated_at=then,
                created_at=then,
            )
            for tenant in tenants
        ]
        KeyVersion.objects.bulk_create(keys)
        RollPolicy.objects.bulk_create([RollPolicy(tenant=tenant, every_days=365) for tenant in tenants])


if __name__ == "__main__":
    main()
