"""Asking people to join by mail. Holding the link proves the one address it was sent to, and nothing else."""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.groups import add_people
from tenants.identity import domain_of, tenant_of_domain
from tenants.models import DirectoryEntry, Group, Invitation, StatedAddress, Tenant, User
from tenants.outbox import queue_mail
from tenants.people import clean_address, clean_name
from tenants.tokens import hash_token

VALID_DAYS = 14


def invite(
    tenant: Tenant,
    address: str,
    *,
    actor: Actor,
    name: str = "",
    language: str = "",
    groups: Iterable[Group] = (),
) -> Invitation:
    """Ask `address` to join; asked again, the older link ends. Raises `ChangeRefusedError`."""
    address, name = clean_address(address), clean_name(name)
    groups = list(groups)
    assert all(group.tenant_id == tenant.id for group in groups)
    if User.objects.for_tenant(tenant).filter(emailaddress__email=address).exists():
        raise ChangeRefusedError(
            "already_member", _("%(address)s is in your organization already."), address=address
        )
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    with transaction.atomic():
        invitation, _made = Invitation.objects.update_or_create(
            tenant=tenant,
            email=address,
            defaults={
                "name": name,
                "language": language or tenant.default_language,
                "token_hash": hash_token(token),
                "invited_by": actor.name,
                "created_at": now,
                "expires_at": now + timedelta(days=VALID_DAYS),
                "accepted_at": None,
            },
        )
        invitation.groups.set(groups)
        _send(invitation, tenant, token)
        after = {"name": name, "groups": sorted(group.name for group in groups)}
        log_change(tenant, actor, "InvitePerson", target=address, target_id=invitation.id, after=after)
    return invitation


def resend(invitation: Invitation, *, actor: Actor) -> Invitation:
    """Send it again with a new link and 14 new days."""
    return invite(
        invitation.tenant,
        invitation.email,
        actor=actor,
        name=invitation.name,
        language=invitation.language,
        groups=invitation.groups.all(),
    )


def withdraw(invitation: Invitation, *, actor: Actor) -> None:
    """The link ends now."""
    with transaction.atomic():
        log_change(
            invitation.tenant,
            actor,
            "WithdrawInvitation",
            target=invitation.email,
            target_id=invitation.id,
            before={"name": invitation.name},
        )
        invitation.delete()


def find_invitation(token: str) -> Invitation | None:
    """The invitation behind a link that still counts."""
    found = Invitation.objects.select_related("tenant").filter(
        token_hash=hash_token(token), accepted_at=None, expires_at__gt=timezone.now()
    )
    return found.first()


def holder_of(invitation: Invitation) -> User | None:
    """Whose account already has the invited address, proven; they sign in to accept."""
    proven = (
        EmailAddress.objects.select_related("user__tenant")
        .filter(email=invitation.email, verified=True)
        .first()
    )
    owner: User | None = proven.user if proven else None
    return owner or User.objects.select_related("tenant").filter(email=invitation.email).first()


def accept_as_new(token: str, *, name: str, password: str) -> User:
    """Make the account of an invited person. Raises `ChangeRefusedError`."""
    with transaction.atomic():
        invitation = _take(token)
        if holder_of(invitation) is not None:
            raise ChangeRefusedError(
                "sign_in_first", _("There is an account with this address. Sign in to accept.")
            )
        user = _prepared(invitation) or User(language=invitation.language)
        user.email, user.name = invitation.email, clean_name(name) or user.name
        user.set_password(password)
        user.save()
        EmailAddress.objects.create(user=user, email=invitation.email, verified=True, primary=True)
        _join(invitation, user)
    return user


def _prepared(invitation: Invitation) -> User | None:
    """The account that the organization made for the invited person by a file, when nobody has ever been able to use it.

    Whoever accepts becomes its holder. An account that anybody could have entered before is never handed on.
    """
    found = User.objects.for_tenant(invitation.tenant).select_for_update(of=("self",))
    for person in found.filter(stated_addresses__address=invitation.email, is_active=True, last_login=None):
        used = person.has_usable_password() or person.emailaddress_set.exists()
        ways: tuple[Any, ...] = (Authenticator, SocialAccount, DirectoryEntry)
        if not used and not any(way.objects.filter(user=person).exists() for way in ways):
            StatedAddress.objects.filter(user=person, address=invitation.email).delete()
            return person
    return None


def accept_as(token: str, user: User) -> None:
    """Have the person who is signed in, and holds the invited address, join. Raises `ChangeRefusedError`."""
    with transaction.atomic():
        invitation = _take(token)
        person = User.objects.select_for_update(of=("self",)).get(id=user.id)
        if person.tenant_id is not None:
            raise ChangeRefusedError(
                "has_a_home",
                _("You belong to an organization already. Leave it before you join another one; as a guest you can open"
                  " what is shared with you without joining."),
            )  # fmt: skip
        if not EmailAddress.objects.filter(user=person, email=invitation.email, verified=True).exists():
            raise ChangeRefusedError(
                "other_address",
                _("The invitation is for %(address)s, and you are signed in with another account."),
                address=invitation.email,
            )
        _join(invitation, person)


def _take(token: str) -> Invitation:
    invitation = (
        Invitation.objects.select_for_update(of=("self",))
        .select_related("tenant")
        .filter(token_hash=hash_token(token), accepted_at=None, expires_at__gt=timezone.now())
        .first()
    )
    if invitation is None:
        raise ChangeRefusedError("invitation_ended", _("This invitation has ended. Ask for a new one."))
    owner = tenant_of_domain(domain_of(invitation.email))
    if owner is not None and owner.id != invitation.tenant_id:
        raise ChangeRefusedError(
            "others_domain",
            _("This address belongs to an organization that looks after its people itself. Ask to be invited by another"
              " address."),
        )  # fmt: skip
    return invitation


def _join(invitation: Invitation, user: User) -> None:
    tenant = invitation.tenant
    User.objects.filter(id=user.id).update(
        tenant=tenant,
        is_guest=False,
        name=user.name or invitation.name,
        language=user.language or invitation.language,
    )
    user.tenant, user.tenant_id = tenant, tenant.id
    join_groups(invitation, user)
    Invitation.objects.filter(id=invitation.id).update(accepted_at=timezone.now())
    log_change(
        tenant,
        Actor.of(user),
        "AcceptInvitation",
        target=invitation.email,
        target_id=user.id,
        after={"invited_by": invitation.invited_by},
    )


def join_groups(invitation: Invitation, user: User) -> None:
    """Put a person who has just joined into the groups they were invited to, as far as that is still allowed."""
    inviter = Actor(invitation.invited_by)
    for group in invitation.groups.select_related("tenant"):
        # One that came to be kept by the directory since then, or to need a second administrator, is not filled this way.
        try:
            add_people(group, [user], actor=inviter)
        except ChangeRefusedError:
            continue


def _send(invitation: Invitation, tenant: Tenant, token: str) -> None:
    with translation.override(invitation.language):
        values = {
            "organization": tenant.name,
            "inviter": invitation.invited_by,
            "link": f"{settings.PUBLIC_URL}/invitation/{token}/",
            "days": VALID_DAYS,
        }
        queue_mail(
            invitation.email,
            subject=str(_("%(inviter)s invites you to %(organization)s")) % values,
            text=str(
                _("%(inviter)s invites you to join %(organization)s on Rightskeep, where documents are protected for the"
                  " people they are meant for.\n\nAccept within %(days)d days:\n%(link)s\n\nIf you did not expect this,"
                  " do nothing.")
            ) % values,
            tenant_id=tenant.id,
        )  # fmt: skip
