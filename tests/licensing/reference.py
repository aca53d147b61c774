"""Who may open what, by the sentences of product.md section 3 and nothing else: slow, obvious, and written apart from the
product, of which it imports no rule. The model test compares the two.
"""

from dataclasses import dataclass, field

EVERY_RIGHT = frozenset(
    [
        "VIEW",
        "VIEWRIGHTSDATA",
        "EDIT",
        "DOCEDIT",
        "COMMENT",
        "PRINT",
        "EXTRACT",
        "REPLY",
        "REPLYALL",
        "FORWARD",
        "OBJMODEL",
        "EXPORT",
        "EDITRIGHTSDATA",
        "OWNER",
    ]
)


@dataclass
class Person:
    """`addresses` are only those that are verified."""

    addresses: set[str]
    home: str | None


@dataclass
class Rules:
    """`grants` says who gets what; `expired` whether its content has expired by now."""

    grants: dict[str, frozenset[str]]
    expired: bool = False


@dataclass
class Template:
    """`published` is the current version's rules: none before the first publishing."""

    draft: Rules | None = None
    published: Rules | None = None
    archived: bool = False


@dataclass
class Document:
    """Either `template` or `rules`. `decided` is what was decided afterwards, by the address or whom else it names."""

    issuer: str
    owner: str
    template: Template | None = None
    rules: Rules | None = None
    revoked: bool = False
    decided: dict[str, frozenset[str]] = field(default_factory=dict)


@dataclass
class Organization:
    """Contoso as its own people and rules make it."""

    people: dict[str, Person]
    members_of: dict[str, set[str]]
    groups_in: dict[str, set[str]]
    active: bool = True
    super_users: set[str] = field(default_factory=set)
    super_users_enabled: bool = False

    def answer(self, document: Document, name: str) -> tuple[str, frozenset[str]]:
        """What happens when this person opens: "inactive", "granted" (with rights), "denied", "revoked" or "expired"."""
        if not self.active:
            return "inactive", frozenset()
        powerful = self.super_users_enabled and name in self.super_users
        rules = document.template.published if document.template else document.rules
        assert rules is not None
        if powerful or name in (document.issuer, document.owner):
            rights = EVERY_RIGHT
        else:
            rights = self._granted(document, rules, name)
        if not rights:
            return "denied", frozenset()
        if document.revoked and not (powerful or name == document.issuer):
            return "revoked", frozenset()
        if rules.expired and not (powerful or name in (document.issuer, document.owner)):
            return "expired", frozenset()
        return "granted", rights

    def _granted(self, document: Document, rules: Rules, name: str) -> frozenset[str]:
        grants, decided = dict(rules.grants), {} if document.template else document.decided
        own = [rights for who, rights in decided.items() if who in self.people[name].addresses]
        if own:  # decided for this very person
            rights = frozenset().union(*own)
        else:
            for who, given in decided.items():
                if "@" in who[1:]:
                    grants.pop(who, None)  # counts for its holder alone
                else:
                    grants[who] = given
            rights = frozenset().union(*(given for who, given in grants.items() if self._reaches(who, name)))
        return EVERY_RIGHT if "OWNER" in rights else rights

    def _reaches(self, who: str, name: str) -> bool:
        person = self.people[name]
        if who == "anyone":
            return True
        if who == "members":
            return person.home == "contoso"
        if who.startswith("tenant:"):
            return person.home == who.removeprefix("tenant:")
        if who.startswith("group:"):
            return name in self.everybody_in(who.removeprefix("group:"), set())
        if who.startswith("@"):
            return any(address.endswith(who) for address in person.addresses)
        return who in person.addresses

    def everybody_in(self, group: str, seen: set[str]) -> set[str]:
        """People of the group and of all groups in it; each group once."""
        if group in seen:
            return set()
        seen.add(group)
        found = set(self.members_of[group])
        for inner in self.groups_in[group]:
            found |= self.everybody_in(inner, seen)
        return found
