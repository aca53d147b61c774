"""The devices and apps a person signed in with: with a second factor or not, which, since when, and their end."""

import datetime as dt
from dataclasses import dataclass

from allauth.idp.oidc.models import Token
from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from audit.models import UsageEvent
from tenants.changes import Actor, log_change
from tenants.factors import is_required_of
from tenants.identity import SECOND_FACTOR
from tenants.models import User

_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class Program:
    """A program with valid tokens; `renewed_at` is when it got the latest of them."""

    id: str
    name: str
    signed_in_at: dt.datetime
    renewed_at: dt.datetime
    valid_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Use:
    """The latest call from one address with one program, as the program calls itself."""

    time: dt.datetime
    address: str
    program: str


def programs_of(person: User) -> list[Program]:
    """The programs that can act for `person` now, the one signed in last first."""
    rows = (
        Token.objects.valid()
        .filter(user=person, type__in=(Token.Type.ACCESS_TOKEN, Token.Type.REFRESH_TOKEN))
        .values("client_id", "client__name")
        .annotate(first=Min("created_at"), last=Max("created_at"), until=Max("expires_at"))
        .order_by("-last")
    )
    return [
        Program(row["client_id"] or "", row["client__name"] or "", row["first"], row["last"], row["until"])
        for row in rows
    ]


def latest_uses(person: User, *, limit: int = 10) -> list[Use]:
    """From where and with what the person last used the service, each pair once, the latest first."""
    since = timezone.now() - dt.timedelta(days=30)
    calls = UsageEvent.objects.for_tenant(person.tenant_id).filter(person_id=person.id, time__gte=since)
    found: dict[tuple[str, str], Use] = {}
    for time, address, program in calls.order_by("-id").values_list("time", "c_ip", "c_info")[:_LOOKED_AT]:
        found.setdefault((address, program), Use(time, address, program))
    return list(found.values())[:limit]


def complete_sign_in(access_token: str, refresh_token: str, *, proven_by: str | None) -> bool:
    """Mark tokens just issued to a person whose second factor stands behind them; `proven_by` is the id of that person.

    False when the tokens lack a factor that the person's organization asks for: then they must not be handed out.
    """
    tokens = Token.objects.select_related("user__tenant")
    access = tokens.lookup(Token.Type.ACCESS_TOKEN, access_token)
    if access is None or access.user is None:
        return True  # a service's
    if proven_by != str(access.user.id):
        return not is_required_of(access.user)
    for token in filter(None, (access, tokens.lookup(Token.Type.REFRESH_TOKEN, refresh_token))):
        token.set_scopes([*{*token.get_scopes(), SECOND_FACTOR}])
        token.save(update_fields=["scopes"])
    return True


def end_program(person: User, program_id: str, *, actor: Actor) -> int:
    """End the tokens of one program at once; returns how many there were. Within five seconds every server knows."""
    with transaction.atomic():
        tokens = Token.objects.filter(user=person, client_id=program_id)
        name = tokens.values_list("client__name", flat=True).first()
        ended = int(tokens.delete()[0])
        if ended and person.tenant is not None:
            log_change(
                person.tenant,
                actor,
                "EndProgram",
                target=person.email,
                target_id=person.id,
                before={"program": name, "tokens": ended},
            )
    return ended
