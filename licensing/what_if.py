"""What would happen if this person opened this now, and why: the decision of `licensing.decision`, asked beforehand.

Facts about people are those of the organization that asks: somebody outside is looked at as whoever has proven the
address that was typed, and nothing else is found out about them.
"""

import uuid
from dataclasses import dataclass, replace
from enum import StrEnum

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from licensing.decision import subject_of
from policies.content import from_json
from policies.evaluation import (
    Grant,
    Policy,
    Subject,
    Verdict,
    counting,
    evaluate,
    is_address,
    rights_of,
)
from policies.models import PolicyTemplate
from policies.publishing import load_version, policy_of, policy_of_content
from policies.reach import Case
from tenants.changes import ChangeRefusedError
from tenants.domain_names import canonical_address
from tenants.group_paths import paths_to
from tenants.holders import find_person
from tenants.identity import Caller, domain_of
from tenants.models import User
from tracking.models import Document
from tracking.overrides import policy_now


class Obstacle(StrEnum):
    """What keeps somebody out whatever the policy says."""

    INACTIVE = "inactive"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that lets the person in. `kind`: issuer, owner, super user (full control), or how `grant` reaches them:
    address, decided (afterwards, for this address), domain, group, members, organization, anyone. `way` says through
    what: the address, or the names of groups from the granted one inwards.
    """

    kind: str
    grant: Grant | None = None
    way: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """`outcome` is one of `Outcome` or `Obstacle`; `rights` are those the person has, or would have if it were not for
    revocation, expiry, a missing factor or the obstacle.

    `counts`: whether the address that was typed is proven, so that grants to it reach the person. `may_belong`: a grant
    to another organization could reach them; only that organization knows.
    """

    address: str
    name: str
    is_member: bool
    outcome: str
    rights: tuple[str, ...]
    reasons: tuple[Reason, ...]
    verdict: Verdict
    counts: bool = True
    may_belong: bool = False


def case_of_template(template: PolicyTemplate) -> Case:
    """The published version of a template, for content protected now. Raises `ChangeRefusedError` when there is none."""
    if template.current_id is None:
        raise ChangeRefusedError("no_version", _("This template has not been published yet."))
    now = timezone.now()
    return Case(template.tenant, policy_of(load_version(template.current_id), published_at=now), now)


def case_of_draft(template: PolicyTemplate) -> Case:
    """The rules of a template that wait to be published, for content protected now. Raises `ChangeRefusedError`."""
    if template.draft is None:
        raise ChangeRefusedError("no_draft", _("This template has no changes that wait to be published."))
    now = timezone.now()
    return Case(template.tenant, policy_of_content(from_json(template.draft), published_at=now), now)


def before_publishing(template: PolicyTemplate, after: Case) -> Case:
    """What publishing the draft (`after` is its case) would put an end to: the published version, or nothing."""
    if template.current_id is None:
        return replace(after, policy=Policy((), None, None))
    return case_of_template(template)


def case_of_document(document: Document) -> Case:
    """A protected document as it stands. Raises `ChangeRefusedError` when the service does not know its policy."""
    policy = policy_now(document)
    if document.template_id is not None:
        templates = PolicyTemplate.objects.for_tenant(document.tenant)
        template = templates.filter(id=document.template_id, current__isnull=False).first()
        if template is not None and template.current_id is not None:
            policy = policy_of(load_version(template.current_id), published_at=document.published_at)
    if policy is None:
        raise ChangeRefusedError(
            "policy_unknown",
            _("This document was protected before the service kept such policies; only its file has it."),
        )
    return Case(
        document.tenant,
        policy,
        timezone.now(),
        issuer_id=document.issuer_id,
        owner_id=document.owner_id,
        revoked=document.is_revoked,
    )


def ask(case: Case, who: str, *, names_groups: bool) -> Answer:
    """What would happen to the person with this address (or, of one's own people, this id). Raises `ChangeRefusedError`.

    Without `names_groups` the way through groups is left out: not everybody may see who is in which.
    """
    who = who.strip()
    address = canonical_address(who)
    member = find_person(case.tenant, who)
    if member is not None:
        return _of_member(case, member, address, names_groups=names_groups)
    try:
        validate_email(address)
    except ValidationError as error:
        raise ChangeRefusedError("bad_address", _("Type the whole mail address of a person.")) from error
    return _of_outsider(case, address)


def _of_member(case: Case, member: User, typed: str, *, names_groups: bool) -> Answer:
    subject = subject_of(Caller.of(member), case.tenant.id, issuer_id=case.issuer_id, owner_id=case.owner_id)
    verdict = _verdict(case, subject)
    outcome: str = verdict.outcome
    if not member.is_active:
        outcome = Obstacle.SUSPENDED
    elif not case.tenant.is_active:
        outcome = Obstacle.INACTIVE
    return Answer(
        address=member.email,
        name=member.get_full_name(),
        is_member=True,
        outcome=outcome,
        rights=rights_of(case.policy, subject),
        reasons=_reasons(case, subject, member.id if names_groups else None),
        verdict=verdict,
        counts="@" not in typed or typed in subject.addresses,
    )


def _of_outsider(case: Case, address: str) -> Answer:
    subject = Subject(
        addresses=frozenset({address}),
        domains=frozenset({domain_of(address)}),
        groups=frozenset(),
        is_member=False,
        home_tenant_id=None,
        is_issuer=_holds(address, case.issuer_id),
        is_owner=_holds(address, case.owner_id),
    )
    verdict = _verdict(case, subject)
    rights = rights_of(case.policy, subject)
    other = any(grant.principal.startswith("tenant:") for grant in case.policy.grants)
    return Answer(
        address=address,
        name="",
        is_member=False,
        outcome=verdict.outcome if case.tenant.is_active else Obstacle.INACTIVE,
        rights=rights,
        reasons=_reasons(case, subject, None),
        verdict=verdict,
        may_belong=other and not rights,
    )


def _holds(address: str, person_id: uuid.UUID | None) -> bool:
    """Whether this is the proven address of the document's own issuer or owner, who has left the organization."""
    if person_id is None:
        return False
    return bool(EmailAddress.objects.filter(user_id=person_id, email=address, verified=True).exists())


def _verdict(case: Case, subject: Subject) -> Verdict:
    return evaluate(
        case.policy,
        subject,
        revoked=case.revoked,
        now=case.now,
        max_license_days=case.tenant.max_use_license_days,
    )


def _reasons(case: Case, subject: Subject, person_id: uuid.UUID | None) -> tuple[Reason, ...]:
    exempt = {
        "issuer": subject.is_issuer,
        "owner": subject.is_owner,
        "super user": subject.is_super_user,
    }
    found = [Reason(kind) for kind, holds in exempt.items() if holds]
    grants = counting(case.policy, subject)
    groups = {group for grant in grants if (group := _group_of(grant)) is not None}
    paths = paths_to(person_id, groups, case.tenant) if person_id else {}
    return (*found, *(_reason(grant, case.policy, subject, paths) for grant in grants))


def _reason(
    grant: Grant, policy: Policy, subject: Subject, paths: dict[uuid.UUID, tuple[str, ...]]
) -> Reason:
    principal = grant.principal
    if is_address(principal):
        return Reason("decided" if grant in policy.decided else "address", grant, (principal,))
    if principal.startswith("@"):
        held = sorted(each for each in subject.addresses if domain_of(each) == principal[1:])
        return Reason("domain", grant, (held[0],))
    group = _group_of(grant)
    if group is not None:
        return Reason("group", grant, paths.get(group, ()))
    kind = "organization" if principal.startswith("tenant:") else principal
    return Reason(kind, grant)


def _group_of(grant: Grant) -> uuid.UUID | None:
    if not grant.principal.startswith("group:"):
        return None
    return uuid.UUID(grant.principal[6:])  # it reaches somebody, so it is an id
