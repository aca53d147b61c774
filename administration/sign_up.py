"""Who may start an organization on this installation, and the operators' invitations to do so."""

import secrets
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit.recording import record_admin
from tenants.domain_names import canonical_address
from tenants.models import OrganizationInvitation, Tenant, User
from tenants.outbox import queue_mail
from tenants.tokens import hash_token

OPEN: Final = "open"
INVITATION: Final = "invitation"
CLOSED: Final = "closed"
VALID_FOR: Final = timedelta(days=14)
REFUSALS: Final = {
    CLOSED: "No organization can be started on this installation. You can open what was protected for you.",
    INVITATION: (
        "On this installation an organization is started by invitation. Sign in with the address that was invited, or "
        "ask the operator."
    ),
}
_MAIL = """You are invited to start an organization on {service} and to become its administrator.

Open this link, and create an account with this address ({email}):

{link}

The link can be used once, until {until:%Y-%m-%d %H:%M} UTC. If you do not know what this is about, ignore it.
"""


class InvitationError(Exception):
    """An invitation cannot be sent as asked; the text is for the operator."""


def refusal(person: User) -> str:
    """Why `person` may not start an organization, as a key of `REFUSALS`; empty when they may."""
    if settings.SIGN_UP == OPEN:
        return ""
    if settings.SIGN_UP == INVITATION and _waiting_for(person).exists():
        return ""
    return str(settings.SIGN_UP)


def use_invitation(person: User, tenant: Tenant) -> bool:
    """Spend the invitation by which `tenant` was started. False: there was none, or it was spent at this moment."""
    invitation = _waiting_for(person).order_by("created_at").first()
    return invitation is not None and bool(
        OrganizationInvitation.objects.filter(id=invitation.id, tenant=None).update(
            tenant=tenant, expires_at=timezone.now()
        )
    )


def invite_organization(email: str) -> OrganizationInvitation:
    """Mail a link that lets one address start an organization. An earlier one to the same address ends.

    Raises `InvitationError`.
    """
    email = canonical_address(email)
    try:
        validate_email(email)
    except ValidationError:
        raise InvitationError(f"{email} is not a mail address.") from None
    if settings.SIGN_UP == CLOSED:
        raise InvitationError("Sign-up is closed (RIGHTSKEEP_SIGN_UP): an invitation would lead nowhere.")
    token, now = secrets.token_urlsafe(32), timezone.now()
    with transaction.atomic():
        OrganizationInvitation.objects.filter(email=email, tenant=None).delete()
        invitation = OrganizationInvitation.objects.create(
            email=email, token_hash=hash_token(token), created_at=now, expires_at=now + VALID_FOR
        )
        link = f"{settings.PUBLIC_URL}/organization/invitation/{token}/"
        text = _MAIL.format(service=settings.PUBLIC_URL, email=email, link=link, until=invitation.expires_at)
        queue_mail(email, subject="Start your organization on Rightskeep", text=text)
        record_admin(
            tenant_id=None,
            actor="operator",
            actor_id=None,
            action="InviteOrganization",
            target=email,
            target_id=invitation.id,
            after={"expires_at": invitation.expires_at.isoformat(timespec="seconds")},
        )
    return invitation


def invitation_of(token: str) -> OrganizationInvitation | None:
    """The invitation a link names, while it can be used."""
    return OrganizationInvitation.objects.filter(
        token_hash=hash_token(token), tenant=None, expires_at__gt=timezone.now()
    ).first()


def _waiting_for(person: User) -> QuerySet[OrganizationInvitation]:
    """Invitations to an address the person has proven: holding the mailbox is what counts, link or not."""
    addresses = [
        canonical_address(email)
        for email in person.emailaddress_set.filter(verified=True).values_list("email", flat=True)
    ]
    return OrganizationInvitation.objects.filter(
        email__in=addresses, tenant=None, expires_at__gt=timezone.now()
    )
