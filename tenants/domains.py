"""Mail domains of organizations: said to be theirs, proven by DNS, looked at again every day, given up.

A domain belongs to one organization. Who proves one that another holds gets it only when the holder's record is no
longer published; while both records are there, the first keeps it. A domain whose record is missing keeps counting and
its administrators are told: silence of the DNS never takes anybody's documents away.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, gettext_noop

from audit.recording import SYSTEM_ACTOR, record_admin
from tenants.accounts import let_go
from tenants.domain_names import DomainNameError, clean_domain
from tenants.domain_records import Published, look_up
from tenants.models import DomainClaim, Tenant, User, VerifiedDomain
from tenants.notices import tell_administrators

MAX_CLAIMS: Final = 50
CHECK_EVERY: Final = timedelta(hours=24)
# After an answer that said nothing the next look is this much later.
TRY_AGAIN: Final = timedelta(hours=1)
REMIND_EVERY: Final = timedelta(days=7)
_BATCH: Final = 200

# What a look can find. The first is success, the rest are the codes of `DomainClaim.result`.
PROVEN: Final = "proven"
NOT_FOUND: Final = "not_found"
OTHER_VALUE: Final = "other_value"
SERVER_FAILURE: Final = "server_failure"
HELD: Final = "held"
VOUCHED: Final = "vouched"
SENTENCES: Final[dict[str, str]] = {
    PROVEN: gettext_noop("The record was found: the domain is yours."),
    NOT_FOUND: gettext_noop(
        "The record is not there yet. DNS changes can take up to an hour to be seen everywhere."
    ),
    OTHER_VALUE: gettext_noop(
        "There is a record for us, but with another value. Copy the value shown here again."
    ),
    SERVER_FAILURE: gettext_noop(
        "The name servers of the domain did not answer. Try again in a few minutes."
    ),
    HELD: gettext_noop(
        "Your record is there, but another organization holds this domain and its record is still there too. "
        "Whoever runs your DNS has to remove the older record first."
    ),
    VOUCHED: gettext_noop(
        "This domain was assigned by the operator of this installation. Ask them to release it."
    ),
}
ERRORS: Final[dict[str, str]] = {
    "bad_domain": gettext_noop("This is not a domain. Write it like example.org."),
    "free_mail": gettext_noop(
        "Anybody can get a mailbox there, so it cannot belong to one organization. Use your organization's own domain."
    ),
    "already_yours": gettext_noop("This domain is already in your list."),
    "too_many": gettext_noop(
        "There are already 50 domains waiting to be proven. Remove those you do not need."
    ),
}


class DomainError(Exception):
    """A domain cannot be added as asked; the text is for people, `code` one of `ERRORS`."""

    def __init__(self, code: str) -> None:
        super().__init__(ERRORS[code])
        self.code = code


def claim(tenant: Tenant, text: str, *, actor: User) -> DomainClaim:
    """Put a domain on the list of those to be proven. Raises `DomainError`."""
    try:
        domain = clean_domain(text)
    except DomainNameError as error:
        raise DomainError(error.code) from None
    if VerifiedDomain.objects.for_tenant(tenant).filter(domain=domain).exists():
        raise DomainError("already_yours")
    if DomainClaim.objects.for_tenant(tenant).count() >= MAX_CLAIMS:
        raise DomainError("too_many")
    try:
        with transaction.atomic():
            made = DomainClaim.objects.create(tenant=tenant, domain=domain)
            _log(tenant.id, actor, "AddDomain", made, after={"domain": domain})
    except IntegrityError:
        raise DomainError("already_yours") from None
    return made


def check(waiting: DomainClaim, *, actor: User) -> str:
    """Ask the DNS now. Returns the code of what was found; `PROVEN` means the domain is the organization's from now on."""
    published = look_up(waiting.domain)
    if waiting.token not in published.tokens:
        result = _what_is_there(published)
    else:
        try:
            with transaction.atomic():
                result = _prove(waiting, published, actor)
        except IntegrityError:  # another organization proved it at this very moment, and was first
            result = HELD
    if result != PROVEN:
        DomainClaim.objects.filter(id=waiting.id).update(checked_at=timezone.now(), result=result)
    return result


def recheck(held: VerifiedDomain) -> str:
    """Ask the DNS about a proven domain now. Returns the code of what was found."""
    if not held.token:
        return VOUCHED
    return _look_again(held, look_up(held.domain), previous=held.checked_at)


def withdraw(waiting: DomainClaim, *, actor: User) -> None:
    """Take a domain that was never proven off the list."""
    with transaction.atomic():
        if DomainClaim.objects.filter(id=waiting.id).delete()[0]:
            _log(
                waiting.tenant_id,
                actor,
                "RemoveDomain",
                waiting,
                before={"domain": waiting.domain, "proven": False},
            )


def release(held: VerifiedDomain, *, actor: User) -> None:
    """Give a proven domain up: addresses that counted only because of it count no longer."""
    with transaction.atomic():
        if VerifiedDomain.objects.filter(id=held.id).delete()[0]:
            people = let_go(held.tenant, held.domain, moved=False)
            before = {"domain": held.domain, "proven": True}
            _log(
                held.tenant_id, actor, "RemoveDomain", held, before=before, after={"people_concerned": people}
            )


def addresses_in(tenant: Tenant, domain: str) -> int:
    """How many of the organization's people have an address in `domain`."""
    return _with_address_in(User.objects.for_tenant(tenant), domain, verified_only=False).count()


def check_due() -> int:
    """The daily look: every proven domain whose last one is a day old. Returns how many were looked at.

    May be killed and run in several workers: a domain is claimed, by moving its time of the last look, before the DNS
    is asked.
    """
    looked = 0
    before = timezone.now() - CHECK_EVERY
    due = VerifiedDomain.objects.exclude(token="").filter(checked_at__lte=before).order_by("checked_at")
    for held in due[:_BATCH]:
        previous = held.checked_at
        claimed = VerifiedDomain.objects.filter(id=held.id, checked_at=previous)
        # A worker that dies now leaves it for an hour later, not for tomorrow.
        if claimed.update(checked_at=timezone.now() - CHECK_EVERY + TRY_AGAIN):
            _look_again(held, look_up(held.domain), previous=previous)
            looked += 1
    return looked


# Asked by `_prove`, in its transaction: those above this module to whom a newly proven domain makes a difference.
_listeners: list[Callable[[Tenant, str], object]] = []


def when_proven(listener: Callable[[Tenant, str], object]) -> None:
    """Have `listener` called with the organization and the domain when one is proven."""
    _listeners.append(listener)


def adopt_people(tenant: Tenant, domain: str) -> int:
    """Make people who came here by themselves, with a proven address in `domain`, members of the organization.

    Returns how many. Operators of the installation stay what they are. Called in the transaction of the proof.
    """
    alone = User.objects.filter(tenant=None, is_staff=False, is_superuser=False)
    people = list(_with_address_in(alone, domain, verified_only=True).order_by("id"))
    for person in people:
        person.tenant, person.is_guest = tenant, False
        person.save(update_fields=["tenant", "is_guest"])
        record_admin(
            tenant_id=tenant.id,
            actor=SYSTEM_ACTOR,
            actor_id=None,
            action="AdoptPerson",
            target=person.email,
            target_id=person.id,
            after={"domain": domain},
        )
    return len(people)


def _prove(waiting: DomainClaim, published: Published, actor: User) -> str:
    """With the record seen: take the domain, from its present holder where there is one that lost it."""
    tenant = waiting.tenant
    holder = (
        VerifiedDomain.objects.select_for_update(of=("self",))
        .select_related("tenant")
        .filter(domain=waiting.domain)
        .first()
    )
    if holder is not None and holder.tenant_id != tenant.id:
        refusal = _keeps(holder, published)
        if refusal:
            return refusal
        _take_from(holder)
    if not DomainClaim.objects.filter(id=waiting.id).delete()[0]:
        return PROVEN if holder is not None and holder.tenant_id == tenant.id else NOT_FOUND
    now = timezone.now()
    # The same id, so that the domain's address in the API stays what it was.
    held = VerifiedDomain.objects.create(
        id=waiting.id,
        tenant=tenant,
        domain=waiting.domain,
        token=waiting.token,
        proven_at=now,
        checked_at=now,
    )
    taken = holder is not None
    _log(tenant.id, actor, "ProveDomain", held, after={"domain": held.domain, "taken_over": taken})
    adopt_people(tenant, held.domain)
    for listener in _listeners:
        listener(tenant, held.domain)
    return PROVEN


def _keeps(holder: VerifiedDomain, published: Published) -> str:
    """Why the present holder of a domain keeps it; empty when it does not."""
    if not holder.token:
        return VOUCHED
    if holder.token in published.tokens:
        return HELD
    return "" if published.complete else SERVER_FAILURE


def _take_from(holder: VerifiedDomain) -> None:
    """The former holder loses the domain; its log says so and its administrators get a mail, without a name."""
    VerifiedDomain.objects.filter(id=holder.id).delete()
    # Before main addresses change: the administrators are mailed where they got mail so far.
    _mail_end(holder)
    people = let_go(holder.tenant, holder.domain, moved=True)
    record_admin(
        tenant_id=holder.tenant_id,
        actor=SYSTEM_ACTOR,
        actor_id=None,
        action="LoseDomain",
        target=holder.domain,
        target_id=holder.id,
        before={"domain": holder.domain},
        after={
            "reason": "proven by another organization while our record was missing",
            "people_concerned": people,
        },
    )


def _mail_end(holder: VerifiedDomain) -> None:
    _mail(
        holder,
        gettext_lazy("%(domain)s no longer belongs to %(organization)s"),
        gettext_lazy(
            "Another organization has proven the mail domain %(domain)s on %(service)s. The record by which "
            "%(organization)s had proven it was no longer in the DNS.\n\nYour people's addresses in this "
            "domain no longer count, and nobody signs in to your organization by them. If the domain is yours, publish a new record: add the "
            "domain again under Settings, Domains."
        ),
    )


def _look_again(held: VerifiedDomain, published: Published, *, previous: Any) -> str:
    if held.token in published.tokens:
        return _found_again(held)
    if not published.complete:
        return SERVER_FAILURE
    now = timezone.now()
    with transaction.atomic():
        rows = VerifiedDomain.objects.filter(id=held.id)
        newly = rows.filter(lost_since=None).update(lost_since=now, checked_at=now)
        if newly:
            _log(held.tenant_id, None, "MissDomainRecord", held, after={"domain": held.domain})
        else:
            rows.update(checked_at=now)
        if newly or (held.lost_since and _weeks(previous - held.lost_since) < _weeks(now - held.lost_since)):
            _mail_loss(held)
    return _what_is_there(published)


def _found_again(held: VerifiedDomain) -> str:
    with transaction.atomic():
        rows = VerifiedDomain.objects.filter(id=held.id)
        if rows.exclude(lost_since=None).update(lost_since=None, checked_at=timezone.now()):
            _log(held.tenant_id, None, "FindDomainRecord", held, after={"domain": held.domain})
            _mail(
                held,
                gettext_lazy("The DNS record of %(domain)s is back"),
                gettext_lazy(
                    "The record that proves %(domain)s for %(organization)s was found again. All is well."
                ),
            )
        else:
            rows.update(checked_at=timezone.now())
    return PROVEN


def _mail_loss(held: VerifiedDomain) -> None:
    _mail(
        held,
        gettext_lazy("The DNS record of %(domain)s is missing"),
        gettext_lazy(
            "The record that proves the mail domain %(domain)s for %(organization)s on %(service)s is no longer in the "
            "DNS.\n\nNothing changes for now: the domain keeps counting. But as long as the record is missing, another "
            "organization that proves the domain would get it. Publish the record again; you find it under Settings, "
            "Domains. We remind you once a week."
        ),
    )


def _mail(held: VerifiedDomain, subject: Promise, text: Promise) -> None:
    tell_administrators(held.tenant, subject=subject, text=text, values={"domain": held.domain})


def _weeks(time: timedelta) -> int:
    return time // REMIND_EVERY


def _what_is_there(published: Published) -> str:
    if not published.complete:
        return SERVER_FAILURE
    return OTHER_VALUE if published.tokens else NOT_FOUND


def _with_address_in(people: "QuerySet[User]", domain: str, *, verified_only: bool) -> "QuerySet[User]":
    held = Q(emailaddress__email__iendswith=f"@{domain}")
    return people.filter(held & Q(emailaddress__verified=True) if verified_only else held).distinct()


def _log(
    tenant_id: uuid.UUID, actor: User | None, action: str, of: DomainClaim | VerifiedDomain, **more: Any
) -> None:
    record_admin(
        tenant_id=tenant_id,
        actor=actor.email if actor else SYSTEM_ACTOR,
        actor_id=actor.id if actor else None,
        action=action,
        target=of.domain,
        target_id=of.id,
        **more,
    )
