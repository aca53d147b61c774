"""Second factors: who has one, who has to have one, and taking them away from somebody who lost theirs."""

from typing import Final

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.membership import may_reset, roles_of
from tenants.models import GroupMember, GroupNesting, RoleAssignment, Tenant, User
from tenants.outbox import tell
from tenants.sessions import end_sessions_of

# Recovery codes stand in for one of these; alone they are nothing.
_FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
Policy = Tenant.SecondFactor


def has_factor(user: User) -> bool:
    """Whether this person has a second factor; then nobody signs in as them without it."""
    return bool(Authenticator.objects.filter(user_id=user.id, type__in=_FACTORS).exists())


def must_set_up(user: User) -> bool:
    """Whether the organization asks for a second factor that this person does not have yet."""
    tenant = user.tenant
    if tenant is None or tenant.second_factor == Policy.OPTIONAL:
        return False
    if tenant.second_factor == Policy.ADMINS and not roles_of(user):
        return False
    return not has_factor(user)


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

    Their browsers are signed out and they are told by mail. Raises `ChangeRefusedError` where `actor` may not.
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
                    "up a new one. All browsers were signed out.\n\nIf you did not ask for this, tell your "
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
