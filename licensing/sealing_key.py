"""The key that licenses are issued under: an organization's active one, whatever is done to it meanwhile."""

from collections.abc import Callable
from typing import Final, TypeVar

from django.conf import settings

from keys import custody
from keys import errors as key_errors
from licensing.errors import KeyHeldError, ServerFaultError
from rms.xrml import Issuer
from tenants.models import Tenant

UNUSABLE: Final = "The organization's key cannot be used at the moment."
_ATTEMPTS: Final = 3
T = TypeVar("T")


def with_active_key(tenant: Tenant, work: Callable[[custody.KeyHandle], T]) -> T:
    """What `work` makes with the organization's active key; made again with the next one when it was rolled meanwhile.

    Raises `KeyHeldError` and `ServerFaultError` when the key cannot be used.
    """
    for _ in range(_ATTEMPTS):
        try:
            return work(custody.active_key(tenant.id))
        except key_errors.KeyNoLongerActiveError:
            continue  # rolled between sealing and registering: seal again with the new key
        except key_errors.KeyHeldError as error:
            raise KeyHeldError(
                f"{tenant.name} keeps its key to itself at the moment, so nothing can be protected."
            ) from error
        except key_errors.KeyCustodyError as error:
            raise ServerFaultError(UNUSABLE) from error
    raise ServerFaultError("The organization's key is changing; try again in a moment.")


def issuer_of(tenant: Tenant, key: custody.KeyHandle) -> Issuer:
    """In whose name a license is signed with `key`."""
    return Issuer(
        tenant_id=tenant.id,
        name=tenant.name,
        server_id=tenant.server_id,
        base_url=f"{settings.PUBLIC_URL}/t/{tenant.id}",
        public_key=key.public_key,
        oaep_hash="sha1" if key.oaep_hash == "sha1" else "sha256",
    )
