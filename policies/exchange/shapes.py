"""What a file of templates says, whichever format it is written in, and how a bad one is refused.

Nothing here knows an organization: whom the file means by a name is found out by `policies.exchange.planning`.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext

from rms.errors import FormatError

MAX_BYTES: Final = 10 * 2**20
MAX_DEPTH: Final = 12
MAX_PARTS: Final = 600_000  # elements of XML, values of JSON
MAX_TEMPLATES: Final = 1000

STATUSES: Final = ("draft", "published", "archived")
EXPIRIES: Final = ("never", "date", "days")
WORDS: Final = ("members", "anyone", "owner")
GRANTED: Final = ("address", "group", "domain", "organization", *WORDS)
SCOPED: Final = ("address", "group", "person")


class Place(NamedTuple):
    """Where something stands in a file, both from 1."""

    line: int
    column: int


class FileRefusedError(FormatError):
    """The file is no file of templates as described in `docs/formats/templates.md`. It is refused whole."""

    code: ClassVar[str] = "bad_file"

    def __init__(self, reason: Promise | str, place: Place, **values: object) -> None:
        super().__init__()
        self.place, self._reason, self._values = place, reason, values

    @property
    def reason(self) -> str:
        """One sentence, in the language of the reader."""
        return str(self._reason) % self._values if self._values else str(self._reason)

    def __str__(self) -> str:
        words = {"line": self.place.line, "column": self.place.column, "reason": self.reason}
        return gettext("Line %(line)s, column %(column)s: %(reason)s") % words


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a file with its place: `value` is a dict or a list of nodes, or a plain value."""

    value: Any
    place: Place


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a file names. Which of the three texts are filled depends on `kind`:

    address (`mail`) · group (`name`, `mail`, `id`) · domain (`name`) · organization (`id`) · person (`mail`, `id`) ·
    members · anyone · owner. Ids are those of the organization that wrote the file.
    """

    kind: str
    name: str = ""
    mail: str = ""
    id: str = ""

    @property
    def label(self) -> str:
        """As people type it where they say whom it shall mean."""
        match self.kind:
            case "group":
                return f"group:{self.name or self.mail or self.id}"
            case "domain":
                return f"@{self.name}"
            case "organization":
                return f"tenant:{self.id}"
            case "person":
                return self.mail or f"user:{self.id}"
            case "address":
                return self.mail
        return self.kind


@dataclass(frozen=True, slots=True)
class FiledText:
    """Name and description in one language."""

    language: str
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class FiledGrant:
    """Rights for one principal; names of rights nobody knows are kept as they are."""

    who: Identity
    rights: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FiledRules:
    """Everything a version of a template says, as `policies.content.Content` with names in place of ids.

    `places` tells where a field stands, by the names that `policies.reading` uses for problems.
    """

    default_language: str
    texts: tuple[FiledText, ...]
    grants: tuple[FiledGrant, ...] = ()
    expiry: str = "never"
    expires_at: dt.datetime | None = None
    expires_after_days: int | None = None
    offline_days: int | None = None
    visible_to_all: bool = True
    scope: tuple[Identity, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class FiledTemplate:
    """One template: what decides, and in `draft` what waits to be published, where that differs."""

    id: str
    status: str
    rules: FiledRules
    draft: FiledRules | None = None
    modified_at: dt.datetime | None = None
    place: Place = field(default=Place(1, 1), compare=False)


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """Templates in the order of their list, and who wrote them down when (for people; nothing is decided by it)."""

    templates: tuple[FiledTemplate, ...]
    organization: str = ""
    organization_id: str = ""
    exported_at: dt.datetime | None = None
