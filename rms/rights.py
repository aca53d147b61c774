"""Usage rights, the four levels, and which right needs which (product.md section 3)."""

from collections.abc import Collection, Iterable
from typing import Final

VIEW: Final = "VIEW"
EDIT: Final = "EDIT"
DOCEDIT: Final = "DOCEDIT"
COMMENT: Final = "COMMENT"
EXPORT: Final = "EXPORT"
EXTRACT: Final = "EXTRACT"
PRINT: Final = "PRINT"
FORWARD: Final = "FORWARD"
REPLY: Final = "REPLY"
REPLYALL: Final = "REPLYALL"
VIEWRIGHTSDATA: Final = "VIEWRIGHTSDATA"
EDITRIGHTSDATA: Final = "EDITRIGHTSDATA"
OBJMODEL: Final = "OBJMODEL"
OWNER: Final = "OWNER"

# The order in which rights are shown and written.
ALL_RIGHTS: Final = (
    VIEW,
    VIEWRIGHTSDATA,
    EDIT,
    DOCEDIT,
    COMMENT,
    PRINT,
    EXTRACT,
    REPLY,
    REPLYALL,
    FORWARD,
    OBJMODEL,
    EXPORT,
    EDITRIGHTSDATA,
    OWNER,
)

_VIEWER: Final = (VIEW, VIEWRIGHTSDATA, REPLY, REPLYALL, OBJMODEL)
_REVIEWER: Final = (*_VIEWER, EDIT, DOCEDIT, FORWARD)
_AUTHOR: Final = (*_REVIEWER, EXTRACT, PRINT)
_COOWNER: Final = (*_AUTHOR, EXPORT, EDITRIGHTSDATA, OWNER)

# By wire role; the rights are exactly those of the table in product.md, which the wire format spells out.
LEVELS: Final[dict[str, tuple[str, ...]]] = {
    "VIEWER": _VIEWER,
    "REVIEWER": _REVIEWER,
    "AUTHOR": _AUTHOR,
    "COOWNER": _COOWNER,
}
LEVEL_NAMES: Final[dict[str, str]] = {
    "VIEWER": "Viewer",
    "REVIEWER": "Reviewer",
    "AUTHOR": "Co-Author",
    "COOWNER": "Co-Owner",
}

DO_NOT_FORWARD: Final = (VIEW, EDIT, DOCEDIT, REPLY, REPLYALL, OBJMODEL)
ENCRYPT_ONLY: Final = tuple(right for right in ALL_RIGHTS if right not in (EXPORT, OWNER))
# The special policies by the role that our own clients send; their recipients have exactly these rights.
SPECIALS: Final[dict[str, tuple[str, ...]]] = {"DONOTFORWARD": DO_NOT_FORWARD, "ENCRYPTONLY": ENCRYPT_ONLY}
SPECIAL_NAMES: Final[dict[str, str]] = {"DONOTFORWARD": "Do Not Forward", "ENCRYPTONLY": "Encrypt-Only"}

# What a right is useless without, beyond VIEW, which all need.
_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    EDIT: (DOCEDIT,),
    REPLYALL: (REPLY,),
    EDITRIGHTSDATA: (VIEWRIGHTSDATA,),
    OWNER: ALL_RIGHTS,
}
_KNOWN: Final = frozenset(ALL_RIGHTS)
_MAX_NAME_LENGTH: Final = 256


def with_dependencies(rights: Iterable[str]) -> tuple[str, ...]:
    """The rights asked for plus those they depend on: the known ones in display order, then the others as given.

    Known names are recognized in any case and written in capitals; names of applications pass through unchanged
    and, like every right, bring VIEW with them. OWNER brings every right.
    """
    held: set[str] = set()
    foreign: dict[str, None] = {}
    for right in rights:
        known = right.strip().upper()
        if known in _KNOWN:
            held.add(known)
            held.update(_NEEDS.get(known, ()))
        else:
            foreign[right] = None
    if held or foreign:
        held.add(VIEW)
    return (*(right for right in ALL_RIGHTS if right in held), *foreign)


def implies(held: Collection[str], right: str) -> bool:
    """Whether someone who holds these rights may use this one; OWNER is every right, also those of applications."""
    return right in held or OWNER in held


def special_of(grants: Iterable[tuple[str, Collection[str]]]) -> str:
    """The special policy that pairs of principal and rights amount to: one of `SPECIALS`, or empty for any other policy.

    Whoever sent them, and however: a policy is known by what it grants. What the owner has does not count.
    """
    held = [frozenset(rights) for principal, rights in grants if principal != "owner"]
    return next(
        (role for role, expected in SPECIALS.items() if held and all(each == set(expected) for each in held)),
        "",
    )


def parse_level_or_rights(text: str) -> tuple[str, ...]:
    """The rights meant by a level ("Viewer", "Co-Author", "COOWNER"), a special policy or a list ("VIEW,PRINT").

    Dependencies of a list are added. Raises ValueError with a sentence for people when nothing is meant.
    """
    wanted = text.strip().casefold().replace("-", "").replace(" ", "")
    known = {**LEVELS, **SPECIALS}
    for role, name in {**LEVEL_NAMES, **SPECIAL_NAMES}.items():
        if wanted in (role.casefold(), name.casefold().replace("-", "").replace(" ", "")):
            return known[role]
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        levels = ", ".join((*LEVEL_NAMES.values(), *SPECIAL_NAMES.values()))
        raise ValueError(f"“{text}” is neither a level ({levels}) nor a list of rights such as VIEW,PRINT.")
    for name in names:
        if len(name) > _MAX_NAME_LENGTH or not name.isprintable() or " " in name:
            raise ValueError(f"“{name[:40]}” is not the name of a right.")
    return with_dependencies(names)
