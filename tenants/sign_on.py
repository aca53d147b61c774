"""What an identity provider says of a person, judged: who that is here, or why it is refused.

A provider is believed about its organization's proven domains, as they are proven at this moment, and about nothing else
(product.md section 3). It opens accounts of its own organization's people, and of people of no organization who hold
such an address; never those of another organization, and never an operator's.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from audit.recording import record_admin
from tenants import invitations
from tenants.domain_names import canonical_address
from tenants.identity import domain_of, tenant_of_domain
from tenants.models import IdentityProvider, Invitation, User
from tenants.sign_on_reasons import SignOnRefusedError

LEEWAY_SECONDS: Final = 60  # by so much a provider's clock may differ


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a provider said, signatures and all checked: an account there, and one address. It may name more; none counts."""

    subject: str
    address: str
    name: str = ""
    # None: it did not say.
    address_verified: bool | None = None
    # When the person proved there who they are, in seconds since the epoch. None: it did not say.
    proven_at: float | None = None


def require_fresh(assertion: Assertion, *, since: float) -> None:
    """The person proved anew there who they are, after they were sent for that at `since`. Raises `SignOnRefusedError`."""
    if assertion.proven_at is None:
        raise SignOnRefusedError("no_proof_time")
    if assertion.proven_at < since - LEEWAY_SECONDS:
        moment = dt.datetime.fromtimestamp(assertion.proven_at, dt.UTC)
        raise SignOnRefusedError("not_fresh", f"{moment:%Y-%m-%d %H:%M:%S} UTC")


@dataclass(frozen=True, slots=True)
class Finding:
    """Who an assertion is about. Without a person, an account is to be made."""

    address: str
    person: User | None
    is_bound: bool = False

    @property
    def joins(self) -> bool:
        return self.person is None or self.person.tenant_id is None


def examine(provider: IdentityProvider, assertion: Assertion) -> Finding:
    """Who the assertion is about, without changing anything. Raises `SignOnRefusedError`."""
    address = _believed_address(provider, assertion)
    if not 1 <= len(assertion.subject) <= 191:
        raise SignOnRefusedError("malformed", "subject")
    holder = _holder(provider, address)
    bound = SocialAccount.objects.select_related("user").filter(
        provider=str(provider.id), uid=assertion.subject
    ).first()  # fmt: skip
    if bound is not None:
        person: User = bound.user
        if person.tenant_id != provider.tenant_id:
            raise SignOnRefusedError("left", address)
        if holder is not None and holder.id != person.id:
            raise SignOnRefusedError("other_person", address)
        return _active(Finding(address, person, is_bound=True))
    if holder is not None and SocialAccount.objects.filter(provider=str(provider.id), user=holder).exists():
        raise SignOnRefusedError("other_subject", address)
    if holder is None or holder.tenant_id is None:
        _check_may_join(provider, address)
    return _active(Finding(address, holder))


def admit(provider: IdentityProvider, assertion: Assertion) -> User:
    """The person the assertion is about, made or joined to the organization and bound to the account where need be.

    Raises `SignOnRefusedError`.
    """
    try:
        return _admit(provider, assertion)
    except IntegrityError:
        # Somebody else made the same account or binding at this moment: now it is there.
        return _admit(provider, assertion)


def _admit(provider: IdentityProvider, assertion: Assertion) -> User:
    with transaction.atomic():
        finding = examine(provider, assertion)
        person = finding.person or _create(provider, finding.address, assertion.name)
        if finding.joins:
            _join(provider, person, finding)
        if not finding.is_bound:
            SocialAccount.objects.create(user=person, provider=str(provider.id), uid=assertion.subject)
        _keep_address(person, finding.address)
    return person


def _believed_address(provider: IdentityProvider, assertion: Assertion) -> str:
    """The asserted address, when the provider may speak for it."""
    address = canonical_address(assertion.address)
    if not address:
        raise SignOnRefusedError("address_missing")
    try:
        validate_email(address)
    except ValidationError as error:
        raise SignOnRefusedError("malformed", "email") from error
    owner = tenant_of_domain(domain_of(address))
    if owner is None or owner.id != provider.tenant_id:
        raise SignOnRefusedError("address_outside", address)
    if assertion.address_verified is False and not provider.settings.get("trust_addresses"):
        raise SignOnRefusedError("address_unverified", address)
    return address


def _holder(provider: IdentityProvider, address: str) -> User | None:
    """The person who holds `address`, by proof or as their main address.

    Elsewhere than in the provider's own organization only proof counts. Raises `SignOnRefusedError` when it is held by somebody the provider cannot speak for.
    """
    # Rows without a proof are the organization's own: nobody can add one to their account without a code.
    proofs = EmailAddress.objects.select_related("user").filter(
        Q(verified=True) | Q(user__tenant_id=provider.tenant_id), email=address
    )
    holders = {proof.user for proof in proofs} | set(User.objects.filter(email=address))
    own = [person for person in holders if person.tenant_id == provider.tenant_id]
    strangers = [person for person in holders if person.tenant_id != provider.tenant_id]
    if any(person.tenant_id is not None for person in strangers):
        raise SignOnRefusedError("outside_account", address)
    if len(holders) > 1:
        raise SignOnRefusedError("other_person", address)
    return (own or strangers or [None])[0]


def _check_may_join(provider: IdentityProvider, address: str) -> None:
    if provider.creates_accounts:
        return
    invited = Invitation.objects.for_tenant(provider.tenant).filter(
        email=address, accepted_at=None, expires_at__gt=timezone.now()
    )
    if not invited.exists():
        raise SignOnRefusedError("not_created", address)


def _active(finding: Finding) -> Finding:
    person = finding.person
    if person is not None and (person.is_staff or person.is_superuser):
        # An operator's session would open the operators' pages too.
        raise SignOnRefusedError("outside_account", finding.address)
    if person is not None and (not person.is_active or person.suspended_at is not None):
        raise SignOnRefusedError("suspended", finding.address)
    return finding


def _create(provider: IdentityProvider, address: str, name: str) -> User:
    return User.objects.create_user(address, None, name=" ".join(name.split())[:100], tenant=provider.tenant)


def _join(provider: IdentityProvider, person: User, finding: Finding) -> None:
    """Make the person one of the organization, with what an open invitation gives them."""
    if finding.person is not None:
        if not person.emailaddress_set.filter(verified=True).exists():
            # Begun by whoever typed the address and never proven: nothing of theirs may stay usable.
            person.set_unusable_password()
            person.emailaddress_set.exclude(email=finding.address).delete()
        person.tenant, person.is_guest = provider.tenant, False
        person.save(update_fields=["tenant", "is_guest", "password"])
    record_admin(
        tenant_id=provider.tenant_id, actor=finding.address, actor_id=person.id, action="JoinBySignOn",
        target=finding.address, target_id=person.id, before=None,
        after={"provider": provider.name, "account": "made" if finding.person is None else "joined"},
    )  # fmt: skip
    invitation = Invitation.objects.for_tenant(provider.tenant).filter(
        email=finding.address, accepted_at=None, expires_at__gt=timezone.now()
    ).first()  # fmt: skip
    if invitation is not None:
        invitations.join_groups(invitation, person)
        invitation.accepted_at = timezone.now()
        invitation.save(update_fields=["accepted_at"])


def _keep_address(person: User, address: str) -> None:
    """The address counts because the organization has proven its domain, and as long as it has; it is no proof by a code."""
    if not person.emailaddress_set.filter(email=address).exists():
        person.emailaddress_set.create(email=address, primary=person.email == address)
