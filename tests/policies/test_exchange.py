"""Templates out of one organization and into another: nothing is lost, and nothing is gained by what a file says."""

import datetime as dt
import json
import uuid
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from allauth.account.models import EmailAddress
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import AdminEvent
from policies.content import Content, LocalizedText, content_of
from policies.editing import create_template, save_draft
from policies.evaluation import Grant
from policies.exchange.exporting import export_templates, file_of
from policies.exchange.files import FORMATS, read_file, write_file
from policies.exchange.identities import NOBODY
from policies.exchange.importing import (
    ImportedTemplate,
    PlanChangedError,
    UnknownIdentitiesError,
    import_templates,
)
from policies.exchange.planning import Outcome, plan_import
from policies.exchange.shapes import FiledTemplate, TemplateFile
from policies.models import PolicyTemplate
from policies.reading import complete, read_content
from policies.states import publish
from rms.rights import ALL_RIGHTS, LEVELS
from tenants.changes import Actor, ChangeRefusedError
from tenants.languages import LANGUAGES
from tenants.models import Group, Tenant, User
from tests.conftest import World

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
ALICE = Actor("alice@contoso.example")
NOW = dt.datetime(2026, 5, 1, 12, 0, tzinfo=dt.UTC)

lines = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=40).map(
    lambda text: " ".join(text.split())
)
names = lines.filter(bool)
foreign_rights = st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,20}", fullmatch=True)
rights = st.one_of(
    st.sampled_from(sorted(LEVELS.values())),
    st.lists(st.sampled_from(ALL_RIGHTS) | foreign_rights, min_size=1, max_size=5).map(complete),
)
PRINCIPALS = (
    "members", "anyone", "owner", "@partner.example", "dave@fabrikam.example", "o'neil+x@partner.example",
    "GROUP", "TENANT",
)  # fmt: skip
expiries = st.one_of(
    st.just(("never", None, None)),
    st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC)).map(
        lambda moment: ("date", moment.replace(microsecond=0), None)
    ),
    st.integers(1, 36_500).map(lambda days: ("days", None, days)),
)
scopes = st.one_of(
    st.none(),
    st.lists(st.sampled_from(("GROUP", "BOB")), unique=True).map(lambda found: tuple(sorted(found))),
)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    tags = draw(st.lists(st.sampled_from(LANGUAGES), min_size=1, max_size=4, unique=True))
    who = draw(st.lists(st.sampled_from(PRINCIPALS), unique=True))
    expiry, expires_at, days = draw(expiries)
    scope = draw(scopes)
    return Content(
        default_language=tags[0],
        texts=tuple(LocalizedText(tag, draw(names), draw(lines)) for tag in (tags[0], *sorted(tags[1:]))),
        grants=tuple(Grant(principal, draw(rights)) for principal in who),
        expiry=expiry,
        expires_at=expires_at,
        expires_after_days=days,
        offline_days=draw(st.none() | st.integers(0, 365)),
        visible_to_all=scope is None,
        scope=scope or (),
    )


def placed(content: Content, group: Group, bob: User, other: Tenant) -> Content:
    """With the ids of this installation in place of words."""
    ids = {"GROUP": f"group:{group.id}", "TENANT": f"tenant:{other.id}", "BOB": f"user:{bob.id}"}
    grants = tuple(Grant(ids.get(grant.principal, grant.principal), grant.rights) for grant in content.grants)
    return replace(content, grants=grants, scope=tuple(sorted(ids[word] for word in content.scope)))


def as_imported(template: FiledTemplate) -> FiledTemplate:
    """What an import changes, and it changes nothing else: a new id, archived if it grants something, a new time."""
    status = "archived" if template.rules.grants else "draft"
    return replace(template, id="", status=status, modified_at=None)


def compared(file: TemplateFile) -> list[FiledTemplate]:
    return [as_imported(template) for template in file.templates]


@given(st.lists(st.tuples(contents(), st.none() | contents()), max_size=4), st.sampled_from(FORMATS))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_round_trip_loses_nothing(world: World, wanted: list, form: str) -> None:
    group, bob = Group.objects.for_tenant(world.contoso).get(), world.person("bob")
    with transaction.atomic():
        for content, draft in wanted:
            template = create_template(
                world.contoso, placed(content, group, bob, world.fabrikam), actor=ALICE
            )
            if draft is not None and content.grants and content.expiry != "date" and content.scope != ():
                template = publish(template, actor=ALICE, seen=1)
                save_draft(template, placed(draft, group, bob, world.fabrikam), actor=ALICE)
        made = PolicyTemplate.objects.for_tenant(world.contoso).with_current().order_by("position")
        before = file_of(world.contoso, made, now=NOW)
        written = write_file(before, form)
        assert read_file(written) == (form, before)  # the file says all of it
        before_import = set(made.values_list("id", flat=True))
        done = import_templates(world.contoso, written, actor=ALICE, mapping={}, copies=True)
        assert [each.planned.outcome for each in done.templates] == [Outcome.NEW] * len(before.templates)
        arrived = made.exclude(id__in=before_import)
        assert compared(file_of(world.contoso, arrived, now=NOW)) == compared(before)
        if form == "json":
            check_schema(written)
        transaction.set_rollback(True)


def check_schema(written: bytes) -> None:
    schema = json.loads((ROOT / "docs/formats/templates.schema.json").read_text())
    jsonschema.validate(json.loads(written), schema)


def rules_of(template: PolicyTemplate) -> Content:
    content = content_of(template)
    assert content is not None
    return content


@pytest.fixture
def legal(world: World) -> Group:
    return Group.objects.create(tenant=world.contoso, name="Ärzte", mail="aerzte@contoso.example")


def filed(world: World, form: str, *grants: tuple[str, str], **more: object) -> bytes:
    """A file of Contoso with one template."""
    raw = {
        "names": [{"language": "en", "name": "Secret"}, {"language": "de", "name": "Geheim"}],
        "grants": [{"principal": who, "level": level} for who, level in grants],
        "default_language": "en",
        **more,
    }
    template = create_template(world.contoso, read_content(raw, world.contoso), actor=ALICE)
    return export_templates(world.contoso, form, actor=ALICE, only=[template.id])


def imported(world: World, data: bytes, **mapping: str) -> ImportedTemplate:
    (done,) = import_templates(world.fabrikam, data, actor=Actor("mallory"), mapping=mapping).templates
    return done


@pytest.mark.parametrize("form", FORMATS)
def test_groups_of_another_organization_are_found_by_name(world: World, legal: Group, form: str) -> None:
    data = filed(world, form, ("group:Ärzte", "AUTHOR"), ("dave@fabrikam.example", "VIEWER"))
    with pytest.raises(UnknownIdentitiesError) as refused:
        imported(world, data)
    assert "group:Ärzte" in str(refused.value)
    assert PolicyTemplate.objects.for_tenant(world.fabrikam).count() == 2  # nothing came of it
    here = Group.objects.create(tenant=world.fabrikam, name="Ärzte")
    plan = plan_import(world.fabrikam, data, mapping={})
    assert [(each.how, each.entry) for each in plan.templates[0].resolutions] == [
        ("name", f"group:{here.id}"),
        ("same", "dave@fabrikam.example"),
    ]
    done = imported(world, data)
    assert done.template.state == "archived" and done.template.current.number == 1
    assert done.template.position == 2  # behind those that were there
    content = rules_of(done.template)
    assert [grant.principal for grant in content.grants] == [f"group:{here.id}", "dave@fabrikam.example"]
    row = AdminEvent.objects.get(action="ImportTemplate", tenant_id=world.fabrikam.id)
    assert row.target_id == str(done.template.id) and (row.after or {})["organization"] == "Contoso"


def test_unknown_names_are_mapped_or_left_out_in_so_many_words(world: World, legal: Group) -> None:
    sales = Group.objects.create(tenant=world.fabrikam, name="Sales team")
    data = filed(
        world, "xml", ("group:Ärzte", "VIEWER"), ("group:Sales", "REVIEWER"),
        visible_to_all=False, scope=["bob@contoso.example", "group:Ärzte"],
    )  # fmt: skip
    with pytest.raises(ChangeRefusedError) as odd:
        imported(world, data, **{"group:Nonsense": NOBODY})
    assert odd.value.code == "unknown_mapping"
    mapping = {"group:ärzte": "group:Sales team", "group:Sales": "group:Sales team"}
    plan = plan_import(world.fabrikam, data, mapping=mapping | {"bob@contoso.example": "group:nowhere"})
    assert [(each.who.label, bool(each.problem)) for each in plan.unknown] == [("bob@contoso.example", True)]
    content = rules_of(imported(world, data, **mapping, **{"bob@contoso.example": NOBODY}).template)
    # Two names for one group: it holds what both held.
    assert content.grants == (Grant(f"group:{sales.id}", LEVELS["REVIEWER"]),)
    assert content.scope == (f"group:{sales.id}",)
    left_out = dict.fromkeys(("group:Ärzte", "group:Sales", "bob@contoso.example"), NOBODY)
    done = imported(world, data, **left_out)
    content = rules_of(done.template)
    assert (done.template.state, content.grants, content.visible_to_all, content.scope) == (
        "draft",
        (),
        False,
        (),
    )
    row = AdminEvent.objects.filter(action="ImportTemplate").order_by("id").last()
    assert (row.after or {})["mapped"] == {
        "group:Ärzte": "nobody",
        "group:Sales": "nobody",
        "bob@contoso.example": "nobody",
    }


def test_ids_of_another_organization_give_nothing(world: World) -> None:
    """Mallory writes into a file what she knows of Contoso: its template, its group, its people, by their ids."""
    template = PolicyTemplate.objects.for_tenant(world.contoso).order_by("position")[0]
    group, bob = Group.objects.for_tenant(world.contoso).get(), world.person("bob")
    rules: dict = {
        "status": "published",
        "default_language": "en",
        "names": [{"language": "en", "name": "Mine"}],
        "grants": [{"who": {"kind": "members"}, "rights": ["OWNER"]}],
    }
    forged: list[dict] = [
        {"id": str(template.id), **rules},
        {"id": str(uuid.uuid4()), **rules, "grants": [{"who": {"kind": "group", "id": str(group.id)}, "rights": ["VIEW"]}]},
        {
            "id": str(uuid.uuid4()), **rules, "visible_to_all": False,
            "scope": [{"kind": "person", "id": str(bob.id)}, {"kind": "person", "address": "bob@contoso.example"}],
        },
    ]  # fmt: skip

    def data(*templates: dict) -> bytes:
        return json.dumps({"format": "rightskeep-templates", "version": 1, "templates": templates}).encode()

    def unknown(*templates: dict) -> list:
        return [each.who for each in plan_import(world.fabrikam, data(*templates), mapping={}).unknown]

    before = content_of(template)
    done = imported(world, data(forged[0]))
    assert done.planned.outcome is Outcome.NEW and done.template.id != template.id
    template.refresh_from_db()
    assert content_of(template) == before and template.revision == 1 and template.draft is None
    invented = json.loads(
        json.dumps(forged).replace(str(group.id), str(uuid.uuid4())).replace(str(bob.id), str(uuid.uuid4()))
    )
    for real, made_up in zip(forged[1:], invented[1:], strict=True):
        assert [who.kind for who in unknown(real)] == [who.kind for who in unknown(made_up)] != []
    assert not AdminEvent.objects.filter(tenant_id=world.contoso.id, action="ImportTemplate").exists()


def test_the_same_template_gets_a_draft_and_never_loses_one(world: World) -> None:
    template = PolicyTemplate.objects.for_tenant(world.contoso).order_by("position")[0]
    old = export_templates(world.contoso, "json", actor=ALICE, only=[template.id])

    def again() -> ImportedTemplate:
        return import_templates(world.contoso, old, actor=ALICE, mapping={}).templates[0]

    assert again().planned.outcome is Outcome.SAME
    changed = replace(rules_of(template), offline_days=3)
    publish(save_draft(template, changed, actor=ALICE), actor=ALICE)
    plan = plan_import(world.contoso, old, mapping={})
    assert plan.templates[0].outcome is Outcome.DRAFT and plan.templates[0].clashes == ()
    done = again()
    assert (done.template.id, done.template.state, (done.template.draft or {})["offline_days"]) == (
        template.id,
        "published",
        None,
    )
    with pytest.raises(PlanChangedError) as late:
        import_templates(world.contoso, old, actor=ALICE, mapping={}, seen=plan.fingerprint)
    assert late.value.plan.templates[0].outcome is Outcome.SAME  # it is the draft already
    save_draft(done.template, replace(changed, offline_days=9), actor=ALICE)
    copy = again()
    assert copy.planned.outcome is Outcome.COPY and copy.template.id != template.id
    assert copy.planned.clashes  # the name is taken, and the preview says so
    template.refresh_from_db()
    assert (template.draft or {})["offline_days"] == 9


def test_an_alias_that_counts_names_a_person(world: World) -> None:
    bob = world.person("bob")
    data = filed(world, "json", ("members", "VIEWER"), visible_to_all=False, scope=["bob@contoso.example"])
    old_id = str(bob.id)
    moved = data.replace(old_id.encode(), str(uuid.uuid4()).encode()).replace(
        b"bob@contoso.example", b"robert@contoso.example"
    )
    EmailAddress.objects.create(user=bob, email="robert@contoso.example", verified=False)
    plan = plan_import(world.contoso, moved, mapping={}, copies=True)
    assert [(each.how, each.entry) for each in plan.templates[0].resolutions][1:] == [
        ("address", f"user:{bob.id}")
    ]
