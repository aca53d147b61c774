"""Why somebody can open something, or why not, in sentences."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from licensing.what_if import Answer, Reason
from policies.evaluation import Grant
from portal.wording import GrantInWords, RightInWords, Text, level_of, rights_in_words, who_in_words
from tenants.models import Group, Tenant

_HEADLINES: Final[dict[str, tuple[Text, str]]] = {
    "granted": (_("%(who)s can open it."), "good"),
    "denied": (_("%(who)s cannot open it: no grant reaches them."), "bad"),
    "revoked": (_("%(who)s cannot open it: access has been revoked."), "bad"),
    "expired": (_("%(who)s cannot open it: it has expired."), "warn"),
    "needs factor": (_("%(who)s can open it, but only with a second factor."), "warn"),
    "inactive": (_("%(who)s cannot open it: the protection of your organization is switched off."), "warn"),
    "suspended": (_("%(who)s cannot open it: their account is suspended."), "bad"),
}
_WITHDRAWN: Final = _("%(who)s cannot open it: their access was withdrawn afterwards.")
_REASONS: Final[dict[str, Text]] = {
    "issuer": _("Protected it: full control for good, also after expiry and revocation"),
    "owner": _("Owns it: full control, also after expiry, but not after revocation"),
    "super user": _("Is a super user: full control over everything your organization protects"),
    "address": _("Granted to the address %(way)s"),
    "decided": _("Decided afterwards for the address %(way)s"),
    "domain": _("Granted to everyone at %(way)s"),
    "members": _("Granted to everyone in your organization"),
    "organization": _("Granted to everyone in their organization"),
    "anyone": _("Granted to anybody who signs in"),
}


@dataclass(frozen=True, slots=True)
class ReasonInWords:
    text: str
    rights: GrantInWords | None


@dataclass(frozen=True, slots=True)
class AnswerInWords:
    """`notes` say what the answer rests on."""

    answer: Answer
    headline: str
    tone: str
    rights: tuple[RightInWords, ...]
    level: Text
    reasons: tuple[ReasonInWords, ...]
    notes: tuple[Text, ...]


def answer_in_words(answer: Answer, tenant: Tenant) -> AnswerInWords:
    """What would happen to one person, and why."""
    template, tone = _HEADLINES[answer.outcome]
    if answer.outcome == "denied" and any(reason.kind == "decided" for reason in answer.reasons):
        template = _WITHDRAWN
    groups = group_names((reason.grant for reason in answer.reasons if reason.grant), tenant)
    notes: list[Text] = []
    if not answer.counts:
        notes.append(_("The address that was typed is not proven, so grants to it do not count for them."))
    if not answer.is_member:
        notes.append(
            _("They are not of your organization. This is what whoever proves that address would meet.")
        )
    if answer.may_belong:
        notes.append(
            _("Another organization is granted; only that one knows whether this person belongs to it.")
        )
    return AnswerInWords(
        answer,
        str(template) % {"who": answer.name or answer.address},
        tone,
        rights_in_words(answer.rights),
        level_of(answer.rights),
        tuple(_reason(reason, tenant, groups) for reason in answer.reasons),
        tuple(notes),
    )


def granted_in_words(grants: Sequence[Grant], tenant: Tenant) -> list[GrantInWords]:
    """Who gets what, groups by name."""
    groups = group_names(grants, tenant)
    return [_granted(grant, tenant, groups) for grant in grants]


def group_names(grants: Iterable[Grant], tenant: Tenant) -> dict[uuid.UUID, str]:
    """The names of the groups that are granted something. One query, or none."""
    wanted = {grant.principal[6:] for grant in grants if grant.principal.startswith("group:")}
    if not wanted:
        return {}
    return dict(Group.objects.for_tenant(tenant).filter(id__in=wanted).values_list("id", "name"))


def _granted(grant: Grant, tenant: Tenant, groups: dict[uuid.UUID, str]) -> GrantInWords:
    return GrantInWords(
        who_in_words(grant.principal, tenant, groups), level_of(grant.rights), rights_in_words(grant.rights)
    )


def _reason(reason: Reason, tenant: Tenant, groups: dict[uuid.UUID, str]) -> ReasonInWords:
    rights = _granted(reason.grant, tenant, groups) if reason.grant else None
    if reason.kind == "group":
        assert rights is not None  # a group comes with its grant
        path = " ▸ ".join(reason.way) or rights.who
        return ReasonInWords(gettext("Is in the group %(path)s") % {"path": path}, rights)
    way = reason.way[0] if reason.way else ""
    if reason.kind == "domain":
        way = way.rpartition("@")[2]
    return ReasonInWords(str(_REASONS.get(reason.kind, reason.kind)) % {"way": way}, rights)
