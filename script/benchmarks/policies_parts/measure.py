"""`python -m script.benchmarks.policies_parts.measure PEOPLE TEMPLATES GRANTS ROUNDS TARGET`: fill, measure, write JSON."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import django

WARM_UPS = 2
DOMAIN = "large.example"


def main() -> None:
    """Fill the configured database and write for each page `{"median_ms", "p95_ms", "queries"}` to TARGET."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    data = Path(os.environ["RIGHTSKEEP_DATA_DIR"])
    (data / "static").mkdir(parents=True)
    django.setup()
    from django.core.management import call_command

    people, templates, grants, rounds = map(int, sys.argv[1:5])
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    from script.benchmarks.policies_parts.population import populate

    started = time.monotonic()
    admin, template = populate(people, templates, grants)
    _analyze()
    print(f"filled in {time.monotonic() - started:.0f} s", flush=True)
    measured = {name: _measure(name, ask, rounds) for name, ask in _pages(admin, template).items()}
    Path(sys.argv[5]).write_text(json.dumps(measured), encoding="utf-8")


def _pages(admin: Any, template: Any) -> dict[str, Callable[[], Any]]:
    from django.conf import settings
    from django.test import Client

    client = Client(SERVER_NAME=settings.ALLOWED_HOSTS[0].lstrip(".*") or "localhost")
    client.force_login(admin, backend="allauth.account.auth_backends.AuthenticationBackend")
    one = f"/templates/{template.id}/"
    person = {"person": f"p7@{DOMAIN}"}
    pages: dict[str, tuple[str, dict[str, str]]] = {
        "empty page": ("/help/", {}),
        "list of templates": ("/templates/", {}),
        "editor": (f"{one}edit/", {}),
        "what if: who can open": (f"{one}what-if/", {}),
        "what if: one person": (f"{one}what-if/", person),
        "what if: published draft, gain and lose": (f"{one}what-if/", {"of": "draft"}),
        "what if: draft, one person": (f"{one}what-if/", {"of": "draft", **person}),
    }
    return {name: partial(client.get, path, query) for name, (path, query) in pages.items()}


def _measure(name: str, ask: Callable[[], Any], rounds: int) -> dict[str, float]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tenants.freshness import forget_facts

    times = []
    for number in range(-WARM_UPS, rounds):
        forget_facts()
        started = time.perf_counter()
        answer = ask()
        taken = (time.perf_counter() - started) * 1000
        if answer.status_code != 200:
            raise RuntimeError(f"{name}: {answer.status_code}")
        if number >= 0:
            times.append(taken)
    with CaptureQueriesContext(connection) as captured:
        ask()
    found = {
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(sorted(times)[int(len(times) * 0.95)], 1),
        "queries": len(captured),
    }
    print(
        f"{name:42}: median {found['median_ms']:7.1f} ms, p95 {found['p95_ms']:7.1f} ms, {len(captured)} queries",
        flush=True,
    )
    return found


def _analyze() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


if __name__ == "__main__":
    main()
