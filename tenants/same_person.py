"""Whether two accounts are known to be one person's: then they count once where two people are asked for (docs/adr/0046)."""

import uuid

from allauth.account.models import EmailAddress

from tenants.domain_names import canonical_address
from tenants.models import StatedAddress, User


def is_one_person(one: uuid.UUID, other: uuid.UUID) -> bool:
    """Whether the accounts are the same, merged into the same, or name the same mailbox, proven or not.

    An address that is merely stated opens nothing, but it says whose account this is: enough to ask for somebody else.
    """
    first, second = _accounts_of(one), _accounts_of(other)
    return bool(first & second) or bool(_mailboxes(first) & _mailboxes(second))


def _accounts_of(person_id: uuid.UUID) -> set[uuid.UUID]:
    """The account, the one that stands for it, and all that were merged into either."""
    stands_for = User.objects.filter(id=person_id).values_list("merged_into_id", flat=True).first()
    root = stands_for or person_id
    return {person_id, root, *User.objects.filter(merged_into=root).values_list("id", flat=True)}


def _mailboxes(accounts: set[uuid.UUID]) -> set[str]:
    main = User.objects.filter(id__in=accounts).values_list("email", flat=True)
    further = EmailAddress.objects.filter(user_id__in=accounts).values_list("email", flat=True)
    stated = StatedAddress.objects.filter(user_id__in=accounts).values_list("address", flat=True)
    return {_mailbox(address) for address in (*main, *further, *stated)}


def _mailbox(address: str) -> str:
    """Where mail to the address arrives: what stands behind a plus is the receiver's own affair."""
    local, _at, domain = canonical_address(address).rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"
