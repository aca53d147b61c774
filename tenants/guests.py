"""People outside: who has no account reads with a code sent to the address that a document was protected for.

A code never takes the place of a proper sign-in: not for an address in a domain that an organization has proven, and
not for one whose person has an account. Otherwise it would lead around single sign-on, second factors and suspension.
"""

import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Final

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants.domain_names import canonical_address
from tenants.freshness import FactCache
from tenants.identity import domain_of
from tenants.models import User, VerifiedDomain
from tenants.outbox import queue_mail
from tenants.tokens import hash_token

CODE_MINUTES: Final = 10
TRIES: Final = 5
# Under this name a session keeps what was asked for: address, hash of the code, until when (epoch), tries left.
ASKED: Final = "guest_code"
_running: FactCache = FactCache(5_000)


class NotForGuestsError(Exception):
    """This address signs in properly, or not at all."""


def send_code(address: str) -> str:
    """Mail a code to `address`, or the advice to sign in, in the present language; returns the hash of the code.

    What is done and what comes back look alike in both cases: only the holder of the mailbox learns which it was.
    """
    address = canonical_address(address)
    code = f"{secrets.randbelow(10**6):06}"
    if _signs_in_properly(address):
        subject, text = _("Sign in to read your document"), _sign_in_text()
    else:
        subject, text = _("Your code for reading: %(code)s") % {"code": code}, _code_text(code)
    queue_mail(address, subject=subject, text=text)
    return hash_code(address, code)


def hash_code(address: str, code: str) -> str:
    """What is kept of a code: useless without the pepper, and for another address."""
    return hash_token(f"guest:{canonical_address(address)}:{''.join(code.split())}")


@dataclass(frozen=True, slots=True)
class Try:
    """One try at a code. `proven` is the address whose code it was, empty when it was wrong; then some tries are `left`."""

    proven: str = ""
    left: int = 0


def use_try(session_key: str, code: str, *, now: float | None = None) -> Try:
    """Hold `code` against the one this session asked for; the right one is used up.

    Under a lock, or many at once would share one try. The stored session is read and changed, not that of the request:
    that would be written back later, over the tries of others, and may hold an address asked for earlier.
    """
    now = time.time() if now is None else now
    with transaction.atomic():
        row = Session.objects.select_for_update().filter(session_key=session_key).first()
        data = row.get_decoded() if row is not None else {}
        asked = data.get(ASKED)
        if row is None or not asked or asked["tries"] < 1 or asked["until"] <= now:
            return Try()
        asked["tries"] -= 1
        right = hmac.compare_digest(asked["hash"], hash_code(asked["address"], code))
        if right:
            del data[ASKED]
        row.session_data = SessionStore().encode(data)
        row.save(update_fields=["session_data"])
    return Try(proven=asked["address"]) if right else Try(left=int(asked["tries"]))


def admit(address: str) -> User:
    """The guest who has just proven `address`, made when there is none. Raises `NotForGuestsError`."""
    address = canonical_address(address)
    with transaction.atomic():
        if _signs_in_properly(address):
            raise NotForGuestsError(address)
        known = (
            EmailAddress.objects.select_related("user")
            .filter(email=address, verified=True, user__is_guest=True)
            .first()
        )
        if known is not None:
            guest: User = known.user
            return guest
        guest, _made = User.objects.get_or_create(email=address, defaults={"is_guest": True})
        if not guest.is_guest:
            raise NotForGuestsError(address)
        guest.set_unusable_password()
        guest.save(update_fields=["password"])
        EmailAddress.objects.update_or_create(
            user=guest, email=address, defaults={"verified": True, "primary": True}
        )
    return guest


def is_still_guest(user: User) -> bool:
    """Whether a guest's session still counts: no organization has taken them in or proven their domain since.

    At most five seconds old.
    """
    known = _running.get(user.id)
    if known is None:
        domains = {domain_of(row.email) for row in user.emailaddress_set.all()} | {domain_of(user.email)}
        proven = VerifiedDomain.objects.filter(domain__in=domains).exists()
        known = _running[user.id] = user.is_active and user.tenant_id is None and not proven
    return bool(known)


def become_account(user: User) -> None:
    """A guest has chosen a password: from now on they sign in with it, and get codes no more."""
    User.objects.filter(id=user.id, is_guest=True).update(is_guest=False, date_joined=timezone.now())
    user.is_guest = False


def _signs_in_properly(address: str) -> bool:
    """Always the same number of statements, so that the time taken tells nothing."""
    proven = VerifiedDomain.objects.filter(domain=domain_of(address)).exists()
    holders = EmailAddress.objects.filter(email=address, verified=True)
    held = holders.exclude(user__is_guest=True, user__tenant=None, user__is_active=True).exists()
    named = User.objects.filter(email=address).exclude(is_guest=True, tenant=None, is_active=True).exists()
    return proven or held or named


def _code_text(code: str) -> str:
    return _(
        "Your code is\n\n%(code)s\n\nEnter it on the page that asked for it. It is good for %(minutes)s minutes and "
        "for that browser only.\n\nIf you asked for nothing, ignore this mail. Do not pass the code on to anybody.\n"
    ) % {"code": code, "minutes": CODE_MINUTES}


def _sign_in_text() -> str:
    return _(
        "You asked for a code to read a protected document. This address belongs to an account or an organization "
        "here, so no code is needed: sign in.\n\n%(address)s\n\nIf you asked for nothing, ignore this mail.\n"
    ) % {"address": settings.PUBLIC_URL + reverse("account_login")}
