"""Two accounts of one person become one (docs/adr/0045).

The account that stays gets the addresses in the organization's own domains, the groups, and what the other one issued and
owns: documents name people by id, and the closed account keeps its id and points to the one that stands for it. What
an administrator cannot vouch for does not move: addresses elsewhere are kept as stated and proven again by the person;
roles and powers end and are given anew by whoever may give them.
"""

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Token
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenants.accounts import is_internal, state_addresses
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.groups import add_people, groups_with_power
from tenants.identity import domain_of
from tenants.models import (
    DirectoryEntry,
    Group,
    GroupMember,
    RoleAssignment,
    StatedAddress,
    SuperUserAppointment,
    Tenant,
    User,
    VerifiedDomain,
)
from tenants.notices import tell_administrators
from tenants.outbox import tell
from tenants.roles import is_last_global_admin, take_role
from tenants.same_person import is_one_person
from tenants.sessions import end_sessions_of
from tenants.super_users import end as end_appointment


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a merge moves, and what it does not. Addresses and names, each in order; the rest are numbers."""

    moved: list[str]
    proven_again: list[str]
    groups: list[str]
    left_groups: list[str]
    roles: list[str]
    appointments: int
    sessions: int
    programs: int


def consequences_of(keep: User, gone: User) -> Consequences:
    """What `merge` would do now, for whoever decides."""
    tenant = _home(keep)
    moved, proven_again = _addresses(tenant, gone)
    movable, left = _groups(tenant, gone)
    held = RoleAssignment.objects.for_tenant(tenant).filter(user=gone)
    return Consequences(
        moved=moved,
        proven_again=proven_again,
        groups=[group.name for group in movable],
        left_groups=[group.name for group in left],
        roles=sorted(held.values_list("role", flat=True)),
        appointments=SuperUserAppointment.objects.for_tenant(tenant).filter(user=gone).count(),
        sessions=UserSession.objects.filter(user=gone).count(),
        programs=Token.objects.filter(user=gone).values("client_id").distinct().count(),
    )


def why_not(keep: User, gone: User, *, actor: Actor) -> ChangeRefusedError | None:
    """What keeps the two from being merged in this direction; None when nothing does."""
    code, text = _refusal(keep, gone, actor)
    return ChangeRefusedError(code, text, person=gone.get_full_name()) if code else None


def merge(keep: User, gone: User, *, actor: Actor, documents: int) -> None:
    """Close `gone` and let `keep` stand for it; `documents` is how many were handed over, for the log.

    Both are told by mail. Raises `ChangeRefusedError`.
    """
    with transaction.atomic():
        ids = sorted((keep.id, gone.id))
        rows = User.objects.select_related("tenant").select_for_update(of=("self",)).filter(id__in=ids)
        locked = {user.id: user for user in rows.order_by("id")}
        keep, gone = locked[keep.id], locked[gone.id]
        refusal = why_not(keep, gone, actor=actor)
        if refusal is not None:
            raise refusal
        tenant, found = _home(keep), consequences_of(keep, gone)
        _tell(keep, gone, actor)
        _end_powers(tenant, gone, actor)
        for group in _groups(tenant, gone)[0]:
            add_people(group, [keep], actor=actor)
        GroupMember.objects.filter(user=gone).delete()
        _move_addresses(keep, gone, found.moved, found.proven_again)
        SocialAccount.objects.filter(user=gone).update(user=keep)
        before = {"address": gone.email, "id": str(gone.id), "licensed": gone.licensed}
        _close(gone, keep)
        if before["licensed"] and not keep.licensed:
            User.objects.filter(id=keep.id).update(licensed=True)
        log_change(
            tenant,
            actor,
            "MergePeople",
            target=keep.email,
            target_id=keep.id,
            before=before,
            after={
                "into": keep.email,
                "moved": found.moved,
                "proven_again": found.proven_again,
                "groups": found.groups,
                "left_groups": found.left_groups,
                "ended_roles": found.roles,
                "documents": documents,
            },
        )


def _refusal(keep: User, gone: User, actor: Actor) -> tuple[str, Promise | str]:
    if keep.id == gone.id:
        return "same_account", _("Choose another account than this one.")
    if (
        keep.tenant_id is None
        or keep.tenant_id != gone.tenant_id
        or keep.merged_into_id
        or gone.merged_into_id
    ):
        return "not_a_member", _("Only two accounts of your own organization can be merged.")
    if gone.id == actor.id:
        return "own_account", _(
            "You are signed in with the account that would be closed. Merge the other one into it instead."
        )
    # What the other account protected becomes readable to the one that stays: nobody gives that to themselves where
    # reading everything takes two.
    if _home(keep).needs_approval and actor.id is not None and is_one_person(actor.id, keep.id):
        return "own_gain", _(
            "Reading what others protected needs a second administrator in your organization. Have another one merge an "
            "account into your own."
        )
    if not keep.is_active:
        return "not_active", _("The account that stays is suspended. Give it access back first.")
    if any(user.is_staff or user.is_superuser for user in (keep, gone)):
        return "operator", _("The account of an operator of this installation cannot be merged.")
    if is_last_global_admin(gone):
        return "last_admin", _("%(person)s is the last global administrator. Appoint another one first.")
    if DirectoryEntry.objects.filter(user=gone).exists():
        return "kept_by_directory", _(
            "%(person)s is kept by your directory and would come back. Merge the other account into this one, or remove "
            "it from the directory first."
        )
    return "", ""


def _addresses(tenant: Tenant, gone: User) -> tuple[list[str], list[str]]:
    """Those in the organization's domains, and the others, whoever proved them."""
    domains = set(VerifiedDomain.objects.for_tenant(tenant).values_list("domain", flat=True))
    held = {*EmailAddress.objects.filter(user=gone).values_list("email", flat=True), gone.email}
    held |= set(StatedAddress.objects.filter(user=gone).values_list("address", flat=True))
    real = [address for address in sorted(held) if not is_internal(address)]
    inside = [address for address in real if domain_of(address) in domains]
    return inside, [address for address in real if domain_of(address) not in domains]


def _groups(tenant: Tenant, gone: User) -> tuple[list[Group], list[Group]]:
    """The groups the account is directly in: those that are carried along, and those that only an appointment or the
    directory fills."""
    held = (
        Group.objects.for_tenant(tenant).select_related("tenant").filter(members__user=gone).order_by("name")
    )
    powerful = groups_with_power(tenant)
    movable = [group for group in held if group.id not in powerful and not group.from_directory]
    return movable, [group for group in held if group not in movable]


def _move_addresses(keep: User, gone: User, moved: list[str], stated: list[str]) -> None:
    """None arrives as proven: those in the organization's domains count because of these, as long as they are its own."""
    EmailAddress.objects.filter(user=gone).delete()
    StatedAddress.objects.filter(user=gone).delete()
    present = set(EmailAddress.objects.filter(user=keep).values_list("email", flat=True))
    EmailAddress.objects.bulk_create(
        [EmailAddress(user=keep, email=address) for address in moved if address not in present]
    )
    state_addresses(keep, _home(keep), stated)


def _end_powers(tenant: Tenant, gone: User, actor: Actor) -> None:
    for assignment in RoleAssignment.objects.for_tenant(tenant).filter(user=gone):
        take_role(assignment, actor=actor)
    for appointment in SuperUserAppointment.objects.for_tenant(tenant).filter(user=gone):
        end_appointment(appointment, actor=actor)


def _close(gone: User, keep: User) -> None:
    Token.objects.filter(user=gone).delete()
    Authenticator.objects.filter(user=gone).delete()
    end_sessions_of(gone)
    gone.email, gone.is_active, gone.suspended_at = f"{gone.id}@merged.invalid", False, timezone.now()
    gone.licensed, gone.merged_into = False, keep
    gone.set_unusable_password()
    gone.save()
    User.objects.filter(merged_into=gone).update(merged_into=keep)


def _tell(keep: User, gone: User, actor: Actor) -> None:
    """By both addresses, before one of them is gone: whoever did not want this should learn of it."""
    tell(
        [keep, gone],
        subject=_("Two accounts have become one"),
        text=_(
            "%(actor)s has merged the account %(gone)s into the account %(keep)s. From now on, sign in as %(keep)s.\n\n"
            "What both protected belongs to that account. Addresses outside your organization's domains are no longer "
            "proven: confirm them again in your profile, under Addresses.\n\nIf these are not both your accounts, tell "
            "your administrators.\n"
        ),
        values={"actor": actor.name, "gone": gone.email, "keep": keep.email},
    )
    tell_administrators(
        _home(keep),
        subject=_("%(organization)s: two accounts were merged"),
        text=_(
            "%(actor)s merged the account %(gone)s into %(keep)s. What both protected is readable to %(keep)s from now on."
            "\n\n%(service)s/people/%(id)s/"
        ),
        values={"actor": actor.name, "gone": gone.email, "keep": keep.email, "id": str(keep.id)},
    )


def _home(person: User) -> Tenant:
    assert person.tenant is not None  # `why_not` comes first
    return person.tenant
