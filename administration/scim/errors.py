"""What goes wrong, as SCIM says it (RFC 7644 section 3.12)."""

from typing import Any, Final

from pydantic import ValidationError
from scim2_models import Error, SCIMException

from tenants.changes import ChangeRefusedError

_SCHEMA: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
# What the domain refuses, by its code. What is not listed is a value we cannot take.
_REFUSALS: Final[dict[str, tuple[int, str]]] = {
    "taken": (409, "uniqueness"),
    "name_taken": (409, "uniqueness"),
    "address_taken": (409, "uniqueness"),
    "last_admin": (403, "mutability"),
    "carries_power": (403, "mutability"),
    "group_in_use": (403, "mutability"),
}


class ScimError(Exception):
    """An answer that is an error; `detail` is for the people who run the directory."""

    def __init__(self, status: int, detail: str, scim_type: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.scim_type = status, detail, scim_type

    @property
    def body(self) -> dict[str, Any]:
        """The error as the RFC shapes it: the status is text."""
        body = {"schemas": [_SCHEMA], "status": str(self.status), "detail": self.detail}
        return body | ({"scimType": self.scim_type} if self.scim_type else {})


def not_found() -> ScimError:
    """The same for what never was, what is gone and what belongs to somebody else."""
    return ScimError(404, "There is nothing here under this id.")


def scim_error(error: Exception) -> ScimError | None:
    """`error` as an answer, where it is one; None for what nobody foresaw."""
    if isinstance(error, ScimError):
        return error
    if isinstance(error, ChangeRefusedError):
        status, scim_type = _REFUSALS.get(error.code, (400, "invalidValue"))
        return ScimError(status, str(error), scim_type)
    found: Error | None = None
    if isinstance(error, SCIMException):
        found = error.to_error()
    elif isinstance(error, ValidationError):
        found = Error.from_validation_errors(error)[0]
    if found is None:
        return None
    return ScimError(found.status or 400, (found.detail or "")[:500], found.scim_type or "")
