"""Organizations, people, documents and logs to measure against, made by the product's own functions.

`python -m script.benchmarks.licensing_parts.population TENANTS TARGET` fills the configured database and writes to
TARGET one line of JSON for every (reader, document): `{"token", "body", "hot"}`.
"""

import io
import json
import os
import sys
from pathlib import Path

import django

HOT = 64
DOCUMENTS = 2000
PEOPLE = 4
LOG_ROWS_PER_TENANT = 200
NEVER_OFFLINE_DAYS = -1


def main() -> None:
    """Fill the database and describe what can be asked."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    count = int(sys.argv[1])
    tenants = [_organization(number) for number in range(count)]
    _old_log_rows()
    tokens: dict[str, str] = {}
    with Path(sys.argv[2]).open("w", encoding="ascii") as target:
        for number in range(DOCUMENTS):
            # The first documents, which the hot requests open, are spread over as many organizations as there are.
            position = number * max(1, count // HOT) % count if number < HOT else number % count
            reader, license = _document(tenants[position], tenants[(position + 1) % count], number)
            if reader not in tokens:
                tokens[reader] = _token(reader)
            body = json.dumps({"SerializedPublishingLicense": license})
            target.write(json.dumps({"token": tokens[reader], "body": body, "hot": number < HOT}) + "\n")


def _organization(number: int) -> list[str]:
    """An active organization; returns the addresses of its people, the administrator first."""
    from administration.activation import activate_tenant
    from administration.demo import make_person
    from tenants.models import RoleAssignment, Tenant, VerifiedDomain

    tenant = Tenant.objects.create(slug=f"org-{number}", name=f"Organization {number}")
    VerifiedDomain.objects.create(tenant=tenant, domain=f"org-{number}.example")
    people = [
        make_person(f"p{each}@org-{number}.example", f"P{each}", None, tenant) for each in range(PEOPLE)
    ]
    RoleAssignment.objects.create(tenant=tenant, user=people[0], role=RoleAssignment.Role.GLOBAL_ADMIN)
    activate_tenant(tenant, actor=people[0])
    return [person.email for person in people]


def _document(own: list[str], others: list[str], number: int) -> tuple[str, str]:
    """One document, by turns under a template and for a named partner elsewhere: who opens it, and its license."""
    from licensing.calls import Call
    from licensing.publishing import AdHocPolicy, PublishRequest, publish
    from policies.models import PolicyTemplate
    from tenants.identity import Caller
    from tenants.models import User

    issuer = User.objects.select_related("tenant").get(email=own[1])
    if number % 2:
        templates = PolicyTemplate.objects.filter(tenant=issuer.tenant).order_by("created_at", "id")
        request = PublishRequest(templates[number // 2 % 2].id, None, file_name=f"report {number}.pdf")
        reader = own[2 + number // 2 % 2]
    else:
        reader = others[1 + number // 2 % 3]
        grants = (((reader,), ("VIEW", "DOCEDIT", "PRINT")), ((own[0],), ("OWNER",)))
        policy = AdHocPolicy(grants, offline=True, interval_days=NEVER_OFFLINE_DAYS)
        request = PublishRequest(None, policy, file_name=f"offer {number}.docx")
    call = Call(Caller.of(issuer), "FECreatePublishingLicenseV1")
    return reader, publish(call, request)["SerializedPublishingLicense"]


def _token(address: str) -> str:
    from django.core.management import call_command

    printed = io.StringIO()
    call_command("issue_token", address, "--minutes", "600", stdout=printed, stderr=io.StringIO())
    return printed.getvalue().strip()


def _old_log_rows() -> None:
    """What earlier days have left behind, as the log table would hold it."""
    from django.db import connection

    from audit.models import UsageEvent

    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {UsageEvent._meta.db_table} "
            "(row_id, tenant_id, time, request_type, user_id, result, correlation_id, content_id, owner_email, issuer, "
            "file_name, c_info, c_ip, admin_action, acting_as_user) "
            "SELECT gen_random_uuid(), t.id, now() - make_interval(hours => n), 'FECreateEndUserLicenseV1', "
            "'p1@org.example', 'Success', gen_random_uuid()::text, gen_random_uuid(), 'p1@org.example', 'p1@org.example', "
            "'report.pdf', 'benchmark', '127.0.0.1', false, '' "
            "FROM tenants_tenant t CROSS JOIN generate_series(1, %s) n",
            [LOG_ROWS_PER_TENANT],
        )
        cursor.execute("ANALYZE")


if __name__ == "__main__":
    main()
