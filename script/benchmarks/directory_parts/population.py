"""One organization with many people and groups, written by plain statements, because a hundred thousand are not made one
by one; and what a measurement needs to ask about them."""

from dataclasses import dataclass
from typing import Any

MEMBERSHIPS = 5
BRANCHES = 8  # groups in a group: 10,000 groups are nested four to five deep
DOMAIN = "big.example"
_ORDER = "row_number() OVER (ORDER BY email) - 1"


@dataclass(frozen=True)
class Population:
    """`secret` is that of a SCIM token, `admin` the address of the only global administrator."""

    tenant: Any
    people: int
    groups: int
    admin: str
    secret: str


def populate(people: int) -> Population:
    """Fill the configured, empty database."""
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    from administration.activation import activate_tenant
    from administration.demo import make_person
    from tenants.changes import Actor
    from tenants.models import RoleAssignment, Tenant, VerifiedDomain
    from tenants.scim_tokens import create_token

    tenant = Tenant.objects.create(slug="big", name="Big")
    VerifiedDomain.objects.create(tenant=tenant, domain=DOMAIN)
    admin = make_person(f"admin@{DOMAIN}", "Ada Admin", None, tenant)
    RoleAssignment.objects.create(tenant=tenant, user=admin, role=RoleAssignment.Role.GLOBAL_ADMIN)
    activate_tenant(tenant, actor=admin)
    groups = max(people // 10, BRANCHES)
    values: dict[str, Any] = {
        "tenant": tenant.id,
        "people": people,
        "groups": groups,
        "each": MEMBERSHIPS,
        "branches": BRANCHES,
    }
    with connection.cursor() as cursor:
        for statement in _STATEMENTS:
            cursor.execute(statement, values)
        cursor.execute("VACUUM ANALYZE")
    _token, secret = create_token(tenant, "Directory", actor=Actor("benchmark"))
    return Population(tenant, people, groups, admin.email, secret)


_STATEMENTS = (
    f"""INSERT INTO tenants_user (id, password, is_superuser, email, name, tenant_id, is_active, is_guest, is_staff,
          licensed, language, time_zone, date_joined)
        SELECT gen_random_uuid(), '!', false, 'p' || lpad(n::text, 6, '0') || '@{DOMAIN}',
          'Person ' || md5(n::text), %(tenant)s, n %% 20 <> 0, false, false, n %% 2 = 0, 'en', '',
          now() - make_interval(secs => n) FROM generate_series(1, %(people)s) n""",
    """INSERT INTO account_emailaddress (email, verified, "primary", user_id)
        SELECT email, false, true, id FROM tenants_user WHERE email LIKE 'p%%'""",
    """INSERT INTO account_emailaddress (email, verified, "primary", user_id)
        SELECT 'alias-' || email, false, false, id FROM tenants_user WHERE email LIKE 'p%%' AND licensed""",
    """INSERT INTO tenants_directoryentry (id, tenant_id, user_id, user_name, external_id, attributes, created_at, changed_at)
        SELECT gen_random_uuid(), tenant_id, id, email, 'x' || email,
          jsonb_build_object('active', true, 'displayName', name,
            'emails', jsonb_build_array(jsonb_build_object('value', email, 'primary', true))),
          date_joined, date_joined FROM tenants_user WHERE email LIKE 'p%%'""",
    """INSERT INTO tenants_group (id, tenant_id, name, mail, external_id, from_directory, created_at, changed_at)
        SELECT gen_random_uuid(), %(tenant)s, 'Group ' || lpad(n::text, 6, '0'), '', '', true, now(), now()
        FROM generate_series(0, %(groups)s - 1) n""",
    f"""CREATE TEMPORARY TABLE p AS SELECT id, {_ORDER} AS n FROM tenants_user WHERE email LIKE 'p%%'""",
    """CREATE TEMPORARY TABLE g AS SELECT id, row_number() OVER (ORDER BY name) - 1 AS n FROM tenants_group""",
    "CREATE INDEX ON g (n)",
    """INSERT INTO tenants_groupmember (group_id, user_id)
        SELECT DISTINCT g.id, p.id FROM p CROSS JOIN generate_series(0, %(each)s - 1) k
        JOIN g ON g.n = (p.n * 7919 + k * 104729) %% %(groups)s""",
    """INSERT INTO tenants_groupnesting (parent_id, child_id)
        SELECT outer_g.id, g.id FROM g JOIN g outer_g ON outer_g.n = (g.n - 1) / %(branches)s WHERE g.n > 0""",
)
