"""`python -m script.benchmarks.directory_parts.measuring PEOPLE [plans]` fills the configured database and then carries out
one request for each line it reads."""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import django

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
DEEP = 0.9
SCIM_PAGE = 100
Ask = Callable[[int], object]


def main() -> None:
    """Fill the database, name the cases, then answer each line `case TAB number` with the milliseconds it took."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["*"]
    from script.benchmarks.directory_parts.population import populate

    people, answers, sys.stdout = int(sys.argv[1]), sys.stdout, sys.stderr
    started = time.monotonic()
    population = populate(people)
    print(f"{people} people: filled in {time.monotonic() - started:.0f} s", flush=True)
    cases = dict(_cases(population))
    if "plans" in sys.argv[2:]:
        for name, ask in cases.items():
            _print_plans(name, ask)
    print(json.dumps(list(cases)), file=answers, flush=True)
    for line in sys.stdin:
        name, _tab, number = line.rstrip("\n").partition("\t")
        begun = time.perf_counter()
        cases[name](int(number))
        print((time.perf_counter() - begun) * 1000, file=answers, flush=True)


def _cases(population: Any) -> Iterator[tuple[str, Ask]]:
    from tenants.models import Group, User

    chance = random.Random(1)
    numbers = [chance.randrange(1, population.people + 1) for _ in range(1000)]
    portal, scim = _portal(population.admin), _scim(population)
    deep = int(population.people * DEEP)
    people = User.objects.for_tenant(population.tenant)
    by_address = people.order_by("email")[deep]
    by_name = people.order_by("name", "id")[deep]
    yield "people first page", lambda number: portal("/people/")
    yield "people deep page", lambda number: portal("/people/", after=_cursor(by_address.email))
    yield (
        "people deep by name",
        lambda number: portal("/people/", sort="name", after=_cursor(by_name.name, str(by_name.id))),
    )
    yield "people suspended", lambda number: portal("/people/", state="suspended")
    yield "people search one", lambda number: portal("/people/", q=f"p{numbers[number]:06}@")
    yield (
        "people search some",
        lambda number: portal("/people/", q=f"{numbers[number] % 251:02x}", sort="name"),
    )
    yield "people search none", lambda number: portal("/people/", q=f"nobody{number}")
    yield "person", lambda number: portal(f"/people/{people.get(email=_address(numbers[number])).id}/")
    groups = Group.objects.for_tenant(population.tenant).order_by("name")
    top, last = groups[0], groups[int(population.groups * DEEP)]
    yield "groups first page", lambda number: portal("/groups/")
    yield "groups deep page", lambda number: portal("/groups/", after=_cursor(last.name))
    yield "group", lambda number: portal(f"/groups/{last.id}/")
    yield "group around all", lambda number: portal(f"/groups/{top.id}/")
    yield "license facts", _facts(population, numbers)
    yield "SCIM users first page", lambda number: scim("Users", startIndex=1, count=SCIM_PAGE)
    yield "SCIM users deep page", lambda number: scim("Users", startIndex=deep, count=SCIM_PAGE)
    yield (
        "SCIM user by name",
        lambda number: scim("Users", filter=f'userName eq "{_address(numbers[number])}"'),
    )
    yield (
        "SCIM groups deep page",
        lambda number: scim(
            "Groups", startIndex=int(population.groups * DEEP), count=10, excludedAttributes="members"
        ),
    )


def _address(number: int) -> str:
    from script.benchmarks.directory_parts.population import DOMAIN

    return f"p{number:06}@{DOMAIN}"


def _portal(admin: str) -> Callable[..., object]:
    from django.test import Client

    from tenants.models import User

    client = Client()
    client.force_login(User.objects.get(email=admin), backend=BACKEND)

    def get(path: str, **query: object) -> object:
        response = client.get(f"{path}?{urlencode(query)}")
        if response.status_code != 200:
            raise RuntimeError(f"{path} {query}: {response.status_code}")
        return response

    return get


def _scim(population: Any) -> Callable[..., object]:
    from django.test import Client

    client, headers = Client(), {"Authorization": f"Bearer {population.secret}"}

    def get(plural: str, **query: object) -> object:
        path = f"/t/{population.tenant.id}/scim/v2/{plural}"
        response = client.get(f"{path}?{urlencode(query)}", headers=headers)
        if response.status_code != 200 or not response.json()["Resources"]:
            raise RuntimeError(f"{path} {query}: {response.status_code}")
        return response

    return get


def _facts(population: Any, numbers: list[int]) -> Ask:
    from tenants.freshness import forget_facts
    from tenants.identity import Caller, standing_of
    from tenants.models import User

    callers = [Caller.of(User.objects.get(email=_address(number))) for number in numbers[:200]]

    def ask(number: int) -> object:
        forget_facts()
        found = standing_of(callers[number % len(callers)], population.tenant.id)
        if len(found.groups) < 2 or not found.addresses:
            raise RuntimeError("no groups or no address")
        return found

    return ask


def _cursor(*values: str) -> str:
    import base64

    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _print_plans(name: str, ask: Ask) -> None:
    """Each statement of one request that takes more than a millisecond, with how it was carried out."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    ask(0)
    with CaptureQueriesContext(connection) as captured:
        begun = time.perf_counter()
        ask(1)
        print(f"--- {name}: {(time.perf_counter() - begun) * 1000:.1f} ms, {len(captured)} statements")
    for query in captured.captured_queries:
        if float(query["time"]) < 0.001 or not query["sql"].startswith(("SELECT", "\nWITH", "WITH")):
            continue
        print(f"  {query['time']} s  {' '.join(query['sql'].split())[:300]}")
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {query['sql']}".replace("%", "%%"), [])
            print("\n".join(f"      {line}" for (line,) in cursor.fetchall()))


if __name__ == "__main__":
    main()
