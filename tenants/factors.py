"""Second factors: who has one, who has to have one, and taking them away from somebody who lost theirs."""

import base64
from typing import Any, Final

from allauth.idp.oidc.models import Token
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from rms.errors import SealError
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.membership import may_reset, roles_of
from tenants.models import GroupMember, GroupNesting, RoleAssignment, Tenant, User
from tenants.outbox import tell
from tenants.sealing import BATCH, open_sealed, seal_now
from tenants.sessions import end_sessions_of

_PURPOSE: Final = "rightskeep second factor"
_ASSOCIATED: Final = b"allauth mfa authenticator"
# Recovery codes stand in for one of these; alone they are nothing.
_FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
Policy = Tenant.SecondFactor


def has_factor(user: User) -> bool:
    """Whether this person has a second factor; then nobody signs in as them without it."""
    return bool(Authenticator.objects.filter(user_id=user.id, type__in=_FACTORS).exists())


def is_required_of(user: User) -> bool:
    """Whether the person's organization asks them for a second factor."""
    tenant = user.tenant
    if tenant is None or tenant.second_factor == Policy.OPTIONAL:
        return False
    return tenant.second_factor == Policy.EVERYONE or bool(roles_of(user))


def people_without(tenant: Tenant, policy: str) -> int:
    """How many people would have to set up a second factor under `policy`."""
    if policy == Policy.OPTIONAL:
        return 0
    people = User.objects.for_tenant(tenant).filter(is_active=True)
    if policy == Policy.ADMINS:
        people = _with_role(tenant, people)
    factors = Authenticator.objects.filter(user_id=OuterRef("pk"), type__in=_FACTORS)
    return people.filter(~Exists(factors)).count()


def set_policy(tenant: Tenant, policy: str, *, actor: User) -> None:
    """Who has to have a second factor from now on. Raises `ChangeRefusedError` for what is no policy."""
    if policy not in Policy.values:
        raise ChangeRefusedError("unknown_policy", _("Choose one of the three."))
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(id=tenant.id)
        before = locked.second_factor
        if before != policy:
            locked.second_factor = policy
            locked.save(update_fields=["second_factor"])
            log_change(
                locked,
                Actor.of(actor),
                "SetSecondFactorPolicy",
                target=locked.name,
                target_id=locked.id,
                before={"second_factor": before},
                after={"second_factor": policy},
            )
    tenant.second_factor = policy


def reset_factors(person: User, *, actor: User) -> int:
    """Take all second factors from `person`, who can then sign in without and set up new ones; returns how many.

    Their browsers and programs are signed out and they are told by mail. Raises `ChangeRefusedError` where `actor` may not.
    """
    if person.tenant is None or not may_reset(actor, person):
        raise ChangeRefusedError(
            "not_allowed",
            _("Only a global administrator can reset somebody who holds a role or special powers."),
        )
    with transaction.atomic():
        found = Authenticator.objects.select_for_update().filter(user_id=person.id)
        kinds = sorted(factor.type for factor in found)
        if kinds:
            Authenticator.objects.filter(user_id=person.id).delete()
            # A lost phone may be a stolen one, and its token says that a factor was used.
            Token.objects.filter(user=person).delete()
            end_sessions_of(person)
            log_change(
                person.tenant,
                Actor.of(actor),
                "ResetSecondFactors",
                target=person.email,
                target_id=person.id,
                before={"factors": kinds},
                after={"factors": []},
            )
            tell(
                [person],
                subject=_("Your second factors have been reset"),
                text=_(
                    "%(actor)s has reset the second factors of your account. You sign in without one now and can set "
                    "up a new one. All browsers and programs were signed out.\n\nIf you did not ask for this, tell your "
                    "administrators.\n"
                ),
                values={"actor": actor.email},
            )
    return len(kinds)


def tell_of_change(user: User, *, added: bool) -> None:
    """Mail to the person whenever a factor comes or goes, so that nobody else's doing goes unnoticed."""
    subject = _("A second factor was added") if added else _("A second factor was removed")
    text = _(
        "The ways to sign in to your account %(address)s have been changed.\n\nIf that was not you, change your "
        "password and tell your administrators.\n"
    )
    with transaction.atomic():
        tell([user], subject=subject, text=text, values={"address": user.email})


def _with_role(tenant: Tenant, people: QuerySet[User]) -> QuerySet[User]:
    """Those who hold a role, by themselves or by a group, nested ones included."""
    roles = RoleAssignment.objects.for_tenant(tenant)
    groups = set(roles.exclude(group=None).values_list("group_id", flat=True))
    new = groups
    while new:
        new = set(GroupNesting.objects.filter(parent_id__in=new).values_list("child_id", flat=True)) - groups
        groups |= new
    members = GroupMember.objects.filter(group_id__in=groups).values("user_id")
    return people.filter(Q(id__in=roles.exclude(user=None).values("user_id")) | Q(id__in=members))


def seal_secret(text: str) -> str:
    """A factor's secret as it is stored: sealed, in Base64."""
    return base64.b64encode(seal_now(text.encode(), purpose=_PURPOSE, associated=_ASSOCIATED)).decode()


def open_secret(stored: str, *, keys: int = 2) -> str:
    """Undo `seal_secret`. Raises `SealError`."""
    sealed = base64.b64decode(stored)
    return open_sealed(sealed, purpose=_PURPOSE, associated=_ASSOCIATED, keys=keys).decode()


class FactorSecrets:
    """The secrets of second factors for the rotation of the key-encryption key, with the methods of a `SealedColumn`.

    Their table is the library's and has no column for the key's name, so each is tried.
    """

    label = "mfa.Authenticator.data"
    _names = ("secret", "seed")

    def left(self) -> "QuerySet[Authenticator]":
        """Those that may have a secret; which of them still need the other key shows when they are opened."""
        with_secret = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
        rows: QuerySet[Authenticator] = Authenticator.objects.all()
        return rows.filter(type__in=with_secret)

    def reseal_batch(self, after: Any = None) -> tuple[Any, int, int]:
        """See `SealedColumn.reseal_batch`."""
        resealed = lost = 0
        with transaction.atomic():
            rows = self.left().select_for_update().order_by("pk")
            batch = list((rows.filter(pk__gt=after) if after is not None else rows)[:BATCH])
            for row in batch:
                try:
                    if self._reseal(row):
                        row.save(update_fields=["data"])
                        resealed += 1
                except SealError:
                    lost += 1
        return (batch[-1].pk if batch else None), resealed, lost

    def _reseal(self, row: Authenticator) -> bool:
        changed = False
        for name in self._names:
            stored = row.data.get(name)
            if stored and not _is_current(stored):
                row.data[name] = seal_secret(open_secret(stored))
                changed = True
        return changed


def _is_current(stored: str) -> bool:
    try:
        open_secret(stored, keys=1)
    except SealError:
        return False
    return True
