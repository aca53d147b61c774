"""Whom an entry of `Users` means (protocol.md 1.4), resolved in the organization of the license only."""

from licensing.errors import BadInputError
from policies.principals import Principals
from tenants.changes import ChangeRefusedError
from tenants.models import Tenant


def resolve(entry: str, tenant: Tenant) -> str:
    """The normalized principal for `entry`: a lower-case address, `group:<guid>`, `@domain`, `tenant:<guid>`,
    `members`, `anyone` or `owner`.

    Raises `BadInputError` for an entry that means nothing known and is not an address.
    """
    try:
        return Principals(tenant, [entry]).resolve(entry)
    except ChangeRefusedError as error:
        raise BadInputError(str(error)) from error
