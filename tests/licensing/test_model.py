"""Random changes of templates, access, groups, power and state; after each the licensing endpoint, the question "what if" and
the list of who can open answer as the reference evaluator does.
"""

import datetime as dt
from typing import Any, cast

import pytest
from allauth.account.models import EmailAddress
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from administration.activation import activate_tenant, deactivate_tenant
from licensing.access import change_access
from licensing.what_if import ask, case_of_document
from policies.content import Content, LocalizedText
from policies.editing import copy_template, create_template, save_draft
from policies.evaluation import Grant
from policies.models import PolicyTemplate
from policies.publishing import forget_versions
from policies.reach import openers
from policies.states import archive, publish, unarchive
from tenants.changes import Actor
from tenants.freshness import forget_facts
from tenants.models import Group, GroupMember, GroupNesting, SuperUserAppointment, Tenant
from tests.conftest import Device, World
from tests.licensing import reference
from tracking import models
from tracking.overrides import history_of, is_undoable, undo
from tracking.revocation import restore, revoke

pytestmark = pytest.mark.django_db
MEMBERS = ("alice", "bob", "carol")
DOMAINS = {"contoso": "contoso.example", "fabrikam": "fabrikam.example", None: "individual.example"}
HOMES = {
    "alice": "contoso",
    "bob": "contoso",
    "carol": "contoso",
    "mallory": "fabrikam",
    "dave": "fabrikam",
    "erin": None,
}
ADDRESSES = {name: f"{name}@{DOMAINS[home]}" for name, home in HOMES.items()}
PROVEN_ALIAS, STATED_ALIAS = "c@alias.example", "d@alias.example"
GROUPS = ("Sales", "EMEA", "Board")
NOW = dt.datetime.now(dt.UTC)
PAST = NOW - dt.timedelta(days=9)

people = st.sampled_from(MEMBERS)
groups = st.sampled_from(GROUPS)
picks = st.integers(0, 7)
addresses = st.sampled_from([*ADDRESSES.values(), PROVEN_ALIAS, STATED_ALIAS])
named_groups = st.sampled_from([f"group:{group}" for group in GROUPS])
wider = st.sampled_from(["members", "anyone", "tenant:fabrikam", "@fabrikam.example", "@alias.example"])
principals = st.one_of(named_groups, named_groups, addresses, addresses, wider)
# Different for each grant, so that every one that counts wrongly shows.
some = [
    ("VIEW", "PRINT"),
    ("VIEW", "EXTRACT"),
    ("VIEW", "DOCEDIT", "EDIT"),
    ("VIEW", "COMMENT"),
    ("VIEW", "FORWARD"),
]
rights = st.sampled_from([*some, ("VIEW",), tuple(sorted(reference.EVERY_RIGHT))])
grants = st.dictionaries(principals, rights, min_size=1, max_size=4)
changes = st.dictionaries(principals, rights | st.just(()), min_size=1, max_size=3)


class PolicyMachine(RuleBasedStateMachine):
    """Each run happens in a savepoint that is rolled back; at most two documents are watched at a time."""

    def __init__(self, world: World, devices: dict[str, Device]) -> None:
        super().__init__()
        self.world, self.devices = world, devices
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.tenant = Tenant.objects.get(id=world.contoso.id)
        self.groups = {name: Group.objects.get_or_create(tenant=self.tenant, name=name)[0] for name in GROUPS}
        EmailAddress.objects.create(user=devices["carol"].person, email=PROVEN_ALIAS, verified=True)
        EmailAddress.objects.create(user=devices["dave"].person, email=STATED_ALIAS, verified=False)
        known = {name: reference.Person({ADDRESSES[name]}, home) for name, home in HOMES.items()}
        known["carol"].addresses.add(PROVEN_ALIAS)
        inside = {"Sales": {"carol"}, "EMEA": set[str](), "Board": set[str]()}
        self.model = reference.Organization(known, inside, {name: set() for name in GROUPS})
        self.templates: list[tuple[PolicyTemplate, reference.Template]] = []
        self.documents: list[tuple[str, models.Document, reference.Document]] = []

    @initialize(
        inside=st.fixed_dictionaries({group: st.sets(people) for group in GROUPS}),
        nested=st.sets(st.tuples(groups, groups), max_size=3),
        issuer=people,
        owner=people,
        given=st.tuples(grants, grants),
        powers=st.tuples(st.booleans(), st.sets(people, max_size=1)),
        revoked=st.booleans(),
    )
    def start_with_something(
        self,
        inside: dict[str, set[str]],
        nested: set[tuple[str, str]],
        issuer: str,
        owner: str,
        given: tuple[dict[str, Any], dict[str, Any]],
        powers: tuple[bool, set[str]],
        revoked: bool,
    ) -> None:
        """Groups in groups, a document for people, one by a template."""
        for group, names in inside.items():
            for name in names ^ self.model.members_of[group]:
                self.join_or_leave_a_group(name, group)
        for outer, inner in sorted(nested):
            self.nest_or_unnest(outer, inner)
        for name in sorted(powers[1]):
            self.appoint_or_end_a_super_user(name)
        if powers[0]:
            self.switch_super_users()
        self.create_a_template(given[0], expired=False)
        self.publish_a_template(0)
        self.protect_for_people("alice", owner, given[1], expired=False)
        if revoked:
            self.revoke_or_restore(0)
        self.protect_by_template(issuer, 0)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.savepoint.__exit__(None, None, None)
        forget_facts()
        forget_versions()

    @precondition(lambda self: self.model.active)
    @rule(issuer=people, owner=people, given=grants, expired=st.booleans())
    def protect_for_people(self, issuer: str, owner: str, given: dict[str, Any], expired: bool) -> None:
        owner = owner if issuer == "alice" else issuer
        more = {"LicenseValidUntil": "2020-01-01T00:00:00Z"} if expired else {}
        named = [(self._entry(who), list(held)) for who, held in given.items()]
        published = self.devices[issuer].protect_for(*named, Owner=ADDRESSES[owner], **more)
        rules = reference.Rules(_sets(given), expired)
        self._watch(published, reference.Document(issuer, owner, rules=rules))

    @precondition(lambda self: self.model.active and self._offered())
    @rule(issuer=people, pick=picks)
    def protect_by_template(self, issuer: str, pick: int) -> None:
        offered = self._offered()
        template, model = offered[pick % len(offered)]
        published = self.devices[issuer].publish({"TemplateId": str(template.id)})
        self._watch(published, reference.Document(issuer, issuer, template=model))

    @rule(given=grants, expired=st.booleans())
    def create_a_template(self, given: dict[str, Any], expired: bool) -> None:
        template = create_template(self.tenant, self._content(given, expired), actor=Actor("test"))
        self.templates.append((template, reference.Template(draft=reference.Rules(_sets(given), expired))))

    @precondition(lambda self: self.templates)
    @rule(pick=picks, given=grants, expired=st.booleans(), publishes=st.booleans())
    def edit_a_template(self, pick: int, given: dict[str, Any], expired: bool, publishes: bool) -> None:
        template, model = self.templates[pick % len(self.templates)]
        saved = save_draft(template, self._content(given, expired), actor=Actor("test"))
        model.draft = reference.Rules(_sets(given), expired) if saved.draft is not None else None
        if publishes and model.draft:
            self._publish(template, model)

    @precondition(lambda self: any(model.draft for _, model in self.templates))
    @rule(pick=picks)
    def publish_a_template(self, pick: int) -> None:
        waiting = [pair for pair in self.templates if pair[1].draft]
        self._publish(*waiting[pick % len(waiting)])

    @precondition(lambda self: any(model.published for _, model in self.templates))
    @rule(pick=picks)
    def archive_a_template_or_bring_it_back(self, pick: int) -> None:
        known = [pair for pair in self.templates if pair[1].published]
        template, model = known[pick % len(known)]
        (unarchive if model.archived else archive)(template, actor=Actor("test"))
        model.archived = not model.archived

    @precondition(lambda self: self.templates)
    @rule(pick=picks)
    def copy_a_template(self, pick: int) -> None:
        template, model = self.templates[pick % len(self.templates)]
        copied = copy_template(PolicyTemplate.objects.get(id=template.id), actor=Actor("test"))
        self.templates.append((copied, reference.Template(draft=model.draft or model.published)))

    @precondition(lambda self: self._for_people())
    @rule(pick=picks, given=changes)
    def change_access(self, pick: int, given: dict[str, tuple[str, ...]]) -> None:
        _license, document, model = self._pick(pick, self._for_people())
        untouchable = (ADDRESSES[model.issuer], ADDRESSES[model.owner])
        given = {who: held for who, held in given.items() if who not in untouchable}
        if given:
            wanted = [(self._entry(who), ",".join(held)) for who, held in given.items()]
            change_access(self._fresh(document), wanted, actor=self._alice())
            model.decided |= _sets(given)

    @precondition(lambda self: self._for_people())
    @rule(pick=picks)
    def undo_a_change(self, pick: int) -> None:
        _license, document, model = self._pick(pick, self._for_people())
        document = self._fresh(document)
        change = next((each for each in history_of(document) if is_undoable(document, each)), None)
        if change is not None:
            undo(document, change.id, actor=self._alice())
            who = self._name_of(change.principal)
            model.decided.pop(who)
            if change.before is not None:
                model.decided[who] = frozenset(change.before)

    @precondition(lambda self: self.documents)
    @rule(pick=picks)
    def revoke_or_restore(self, pick: int) -> None:
        _license, document, model = self._pick(pick, self.documents)
        if model.revoked:
            restore(document, actor=self._alice())
        else:
            revoke(document, actor=self._alice(), reason="")
        model.revoked = not model.revoked

    @rule(name=people, group=groups)
    def join_or_leave_a_group(self, name: str, group: str) -> None:
        inside = self.model.members_of[group]
        row = {"group": self.groups[group], "user": self.devices[name].person}
        if name in inside:
            GroupMember.objects.filter(**row).delete()
        else:
            GroupMember.objects.create(**row)
        inside ^= {name}

    @rule(outer=groups, inner=groups)
    def nest_or_unnest(self, outer: str, inner: str) -> None:
        if outer == inner:
            return
        row = {"parent": self.groups[outer], "child": self.groups[inner]}
        if inner in self.model.groups_in[outer]:
            GroupNesting.objects.filter(**row).delete()
        else:
            GroupNesting.objects.create(**row)
        self.model.groups_in[outer] ^= {inner}

    @rule(name=people)
    def appoint_or_end_a_super_user(self, name: str) -> None:
        if name in self.model.super_users:
            SuperUserAppointment.objects.filter(user=self.devices[name].person).delete()
        else:
            SuperUserAppointment.objects.create(
                tenant=self.tenant,
                user=self.devices[name].person,
                reason="audit",
                appointed_by="alice",
                since=PAST,
            )
        self.model.super_users ^= {name}

    @rule()
    def switch_super_users(self) -> None:
        self.model.super_users_enabled = not self.model.super_users_enabled
        Tenant.objects.filter(id=self.tenant.id).update(super_users_enabled=self.model.super_users_enabled)

    @rule()
    def switch_protection(self) -> None:
        (deactivate_tenant if self.model.active else activate_tenant)(self.tenant, actor=self._alice())
        self.model.active = not self.model.active

    @invariant()
    def everybody_gets_what_the_reference_says(self) -> None:
        forget_facts()
        for license, document, model in self.documents:
            expected = {name: self.model.answer(model, name) for name in HOMES}
            assert {name: self._asked(name, license) for name in HOMES} == expected
            case = case_of_document(self._fresh(document))
            said = {name: ask(case, ADDRESSES[name], names_groups=True) for name in MEMBERS}
            assert {name: answer.outcome for name, answer in said.items()} == {
                name: expected[name][0] for name in MEMBERS
            }
            able = {ADDRESSES[name] for name in MEMBERS if expected[name][0] == "granted"}
            assert {person.email for person in openers(case)} == able

    def _publish(self, template: PolicyTemplate, model: reference.Template) -> None:
        """As if it were a while ago, because a template that expires in the past is not published."""
        publish(template, actor=Actor("test"), now=PAST - dt.timedelta(days=1))
        model.published, model.draft, model.archived = model.draft, None, False

    def _asked(self, name: str, license: str) -> tuple[str, frozenset[str]]:
        response = self.devices[name].post("/my/v2/enduserlicenses", {"SerializedPublishingLicense": license})
        answer = response.json()
        if response.status_code == 400:
            assert answer["Code"].endswith("ServiceDisabledException")
            return "inactive", frozenset()
        outcome = {"AccessGranted": "granted", "ContentExpired": "expired"}.get(
            answer["AccessStatus"], "denied"
        )
        outcome = "revoked" if answer.get("Reason") == "revoked" else outcome
        return outcome, frozenset(answer["Rights"])

    def _watch(self, published: dict[str, Any], model: reference.Document) -> None:
        document = models.Document.objects.get(content_id=published["ContentId"].strip("{}"))
        self.documents = [
            *self.documents[-1:],
            (published["SerializedPublishingLicense"], document, model),
        ]

    def _content(self, given: dict[str, Any], expired: bool) -> Content:
        held = tuple(Grant(self._resolved(who), rights) for who, rights in given.items())
        expiry: dict[str, Any] = {"expiry": "date", "expires_at": PAST} if expired else {}
        return Content("en", (LocalizedText("en", "Some rules"),), held, **expiry)

    def _entry(self, who: str) -> str:
        """As a device names it."""
        return who.replace("tenant:fabrikam", f"tenant:{self.world.fabrikam.id}")

    def _resolved(self, who: str) -> str:
        return f"group:{self.groups[who[6:]].id}" if who.startswith("group:") else self._entry(who)

    def _name_of(self, principal: str) -> str:
        names = {f"group:{group.id}": f"group:{name}" for name, group in self.groups.items()}
        return names.get(principal) or principal.replace(str(self.world.fabrikam.id), "fabrikam")

    def _offered(self) -> list[tuple[PolicyTemplate, reference.Template]]:
        return [pair for pair in self.templates if pair[1].published and not pair[1].archived]

    def _for_people(self) -> list[tuple[str, models.Document, reference.Document]]:
        return [entry for entry in self.documents if entry[2].template is None]

    def _pick(self, pick: int, among: list[Any]) -> Any:
        return among[pick % len(among)]

    def _fresh(self, document: models.Document) -> models.Document:
        return models.Document.objects.select_related("tenant").get(id=document.id)

    def _alice(self) -> Any:
        return self.devices["alice"].person


def _sets(given: dict[str, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    return {who: frozenset(held) for who, held in given.items()}


def test_against_the_reference(world: World) -> None:
    devices = {name: Device(Client(), world.person(name)) for name in HOMES}
    run_state_machine_as_test(
        cast(Any, lambda: PolicyMachine(world, devices)),  # a class, or what makes one
        settings=settings(
            max_examples=15, stateful_step_count=10, database=None,
            # Shrinking would take minutes; what failed is short enough to read.
            phases=(Phase.generate,), suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
