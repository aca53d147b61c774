"""Templates from the first draft to the last version, and what happens when two write at once."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from audit.models import AdminEvent
from policies import editing, states
from policies.consequences import grant_changes, licenses_end
from policies.content import Content, LocalizedText, content_of, content_of_version, from_json, to_json
from policies.differences import compare, merge
from policies.editing import TemplateChangedError
from policies.evaluation import Grant
from policies.models import PolicyTemplate, TemplateVersion
from policies.reading import ContentRefusedError, read_content
from rms.rights import LEVELS
from tenants.changes import Actor, ChangeRefusedError
from tenants.models import Group
from tests.conftest import World
from tests.portal.conftest import make_document  # noqa: F401  # a fixture
from tracking.template_use import delete_template

pytestmark = pytest.mark.django_db
ALICE, BERT = Actor("alice@contoso.example"), Actor("bert@contoso.example")
RULES: dict[str, Any] = {
    "names": [{"language": "en", "name": "Board"}],
    "grants": [{"principal": "members", "level": "VIEWER"}],
}


def rules(world: World, **changes: Any) -> Content:
    return read_content({**RULES, **changes}, world.contoso)


def make(world: World, **changes: Any) -> PolicyTemplate:
    return editing.create_template(world.contoso, rules(world, **changes), actor=ALICE)


def problems(world: World, **raw: Any) -> dict[str, str]:
    with pytest.raises(ContentRefusedError) as refused:
        rules(world, **raw)
    return {problem.field: problem.text for problem in refused.value.problems}


def test_rules_are_read_as_people_mean_them(world: World) -> None:
    sales = Group.objects.get(name="Sales")
    grants = [
        {"principal": "Bob@Partner.example", "rights": ["edit", "X-STAMP"]},
        {"principal": "group:sales", "level": "author"},
        {"principal": "tenant:fabrikam.example", "level": "VIEWER"},
        {"principal": "@Partner.example", "level": "VIEWER"},
    ]
    read = rules(world, grants=grants, visible_to_all=False, scope=["carol@contoso.example", "Sales"])
    assert read.grants == (
        Grant("bob@partner.example", ("VIEW", "EDIT", "DOCEDIT", "X-STAMP")),
        Grant(f"group:{sales.id}", LEVELS["AUTHOR"]),
        Grant(f"tenant:{world.fabrikam.id}", LEVELS["VIEWER"]),
        Grant("@partner.example", LEVELS["VIEWER"]),
    )
    assert read.scope == tuple(sorted([f"group:{sales.id}", f"user:{world.person('carol').id}"]))
    assert from_json(to_json(read)) == read


def test_everything_wrong_is_said_at_its_field(world: World) -> None:
    found = problems(
        world,
        names=[{"language": "de", "name": "x" * 101}, {"language": "tlh", "name": "q"}],
        grants=[
            {"principal": "group:Nobody", "level": "VIEWER"},
            {"principal": "members", "rights": []},
            {"principal": "members", "level": "VIEWER"},
            {"principal": "not an address", "rights": ["A,B"]},
            {"principal": "", "level": "VIEWER"},
        ],
        expiry="days",
        expires_after_days=0,
        offline_days=True,
        visible_to_all=False,
        scope=["mallory@fabrikam.example"],
    )
    assert set(found) == {
        "names.en.name", "names.de.name", "names.tlh.name", "grants.0.principal", "grants.1.rights",
        "grants.3.principal", "grants.3.rights", "grants.4.principal", "expires_after_days", "offline_days", "scope",
    }  # fmt: skip
    twice = [{"principal": "members", "level": "VIEWER"}, {"principal": "MEMBERS", "level": "AUTHOR"}]
    assert set(problems(world, grants=twice)) == {"grants.1.principal"}
    assert set(problems(world, expiry="date", expires_at="2030-01-01T00:00:00")) == {
        "expires_at"
    }  # of which zone?


def test_an_address_that_does_not_count_names_nobody(world: World) -> None:
    carol = world.person("carol")
    carol.emailaddress_set.create(email="boss@elsewhere.example", verified=False)
    assert set(problems(world, visible_to_all=False, scope=["boss@elsewhere.example"])) == {"scope"}


def test_a_version_is_frozen_and_the_next_one_decides(world: World) -> None:
    template = make(world)
    assert (template.state, template.current, template.position) == ("draft", None, 2)
    first = states.publish(template, actor=ALICE, seen=template.revision)
    assert (first.state, first.current.number, first.draft) == ("published", 1, None)
    changed = editing.save_draft(first, rules(world, offline_days=0), actor=BERT, seen=first.revision)
    assert changed.current.offline_days is None and changed.draft == {
        **(changed.draft or {}),
        "offline_days": 0,
    }
    second = states.publish(changed, actor=BERT, seen=changed.revision)
    assert (second.current.number, second.current.offline_days, second.current.published_by) == (
        2,
        0,
        BERT.name,
    )
    assert template.versions.get(number=1).offline_days is None
    back = editing.restore_version(second, 1, actor=ALICE, seen=second.revision)
    assert compare(content_of(back), content_of_version(template.versions.get(number=1))) == []
    assert second.current is not None
    same = editing.save_draft(back, content_of_version(second.current), actor=ALICE, seen=back.revision)
    assert same.draft is None, "what equals the published rules is no draft"


def test_the_log_says_what_differs_and_no_more(world: World) -> None:
    template = make(world)
    editing.save_draft(template, rules(world, offline_days=3), actor=ALICE)
    event = AdminEvent.objects.filter(action="ChangeTemplate").get()
    assert (event.target, event.before, event.after) == ("Board", {}, {"offline_days": 3})


def test_the_second_of_two_is_shown_the_difference(world: World) -> None:
    template = make(world)
    seen = template.revision
    editing.save_draft(template, rules(world, offline_days=3), actor=ALICE, seen=seen)
    mine = rules(world, expiry="days", expires_after_days=9)
    with pytest.raises(TemplateChangedError) as changed:
        editing.save_draft(template, mine, actor=BERT, seen=seen)
    differing = {change.field: (change.before, change.after) for change in changed.value.changes}
    assert differing == {"offline_days": (3, None), "expiry": ("never", 9)}
    now = PolicyTemplate.objects.get(id=template.id)
    kept = now.draft or {}
    assert kept["offline_days"] == 3 and kept["expires_after_days"] is None
    with pytest.raises(TemplateChangedError):
        states.publish(template, actor=BERT, seen=seen)
    assert PolicyTemplate.objects.get(id=template.id).current is None
    theirs = content_of(now)
    assert theirs is not None
    both = merge(theirs, mine, ["expiry"])
    assert (both.offline_days, both.expiry, both.expires_after_days) == (3, "days", 9)


def test_merging_takes_and_drops_grants_and_names(world: World) -> None:
    theirs = rules(world, names=[*RULES["names"], {"language": "de", "name": "Vorstand"}])
    mine = replace(theirs, texts=(LocalizedText("en", "Board"),), grants=(Grant("anyone", ("VIEW",)),))
    merged = merge(theirs, mine, ["grants.anyone", "names.de.name", "names.de.description"])
    assert [grant.principal for grant in merged.grants] == ["members", "anyone"]
    assert [text.language for text in merged.texts] == ["en"]


def test_what_can_not_decide_is_not_published(world: World) -> None:
    gone = Group.objects.create(tenant=world.contoso, name="Gone")
    template = make(world, grants=[{"principal": "group:Gone", "level": "VIEWER"}])
    gone.delete()
    with pytest.raises(ContentRefusedError):
        states.publish(template, actor=ALICE)
    past = (timezone.now() - dt.timedelta(days=1)).isoformat()
    expired = make(world, grants=[], expiry="date", expires_at=past)
    with pytest.raises(ContentRefusedError) as refused:
        states.publish(expired, actor=ALICE)
    assert {problem.field for problem in refused.value.problems} == {"grants", "expires_at"}
    with pytest.raises(ChangeRefusedError) as empty:
        states.publish(world_template(world), actor=ALICE)
    assert empty.value.code == "nothing_to_publish"


def world_template(world: World) -> PolicyTemplate:
    return PolicyTemplate.objects.for_tenant(world.contoso).order_by("position")[0]


def test_archived_and_back_copied_and_moved(world: World) -> None:
    template = world_template(world)
    assert states.archive(template, actor=ALICE).state == "archived"
    assert states.unarchive(template, actor=ALICE).state == "published"
    copy = editing.copy_template(template, actor=ALICE)
    assert (copy.state, editing.title_of(copy, ("de",))) == (
        "draft",
        "Kopie von Contoso - Vertraulich, nur lesen",
    )
    with pytest.raises(ChangeRefusedError):
        states.archive(copy, actor=ALICE)
    assert states.move_template(copy, 0, actor=ALICE) == 0
    assert states.move_template(template, by=99, actor=ALICE) == 2
    order = PolicyTemplate.objects.for_tenant(world.contoso).order_by("position").values_list("id", flat=True)
    assert (order[0], order[2]) == (copy.id, template.id)


def test_deleted_only_when_nothing_hangs_on_it(world: World, make_document: Any) -> None:  # noqa: F811
    template = world_template(world)
    document = make_document(template_id=template.id)
    with pytest.raises(ChangeRefusedError) as refused:
        delete_template(template, actor=ALICE)
    assert refused.value.code == "protects_documents"
    document.delete()
    for expected, step in (("still_offered", states.archive), ("", None)):
        if step is None:
            delete_template(template, actor=ALICE)
            continue
        with pytest.raises(ChangeRefusedError) as refused:
            delete_template(template, actor=ALICE)
        assert refused.value.code == expected
        step(template, actor=ALICE)
    assert not TemplateVersion.objects.filter(template_id=template.id).exists()
    assert AdminEvent.objects.filter(action="DeleteTemplate", target_id=str(template.id)).exists()


def test_consequences_are_told_per_grant_and_for_the_longest_license(world: World) -> None:
    before = rules(
        world,
        grants=[{"principal": "members", "rights": ["OWNER"]}, {"principal": "anyone", "rights": ["VIEW"]}],
    )
    after = rules(
        world,
        grants=[
            {"principal": "members", "rights": ["VIEW", "PRINT"]},
            {"principal": "owner", "rights": ["VIEW"]},
        ],
    )
    changes = {change.principal: (change.gained, change.lost) for change in grant_changes(before, after)}
    assert changes["anyone"] == ((), ("VIEW",)) and changes["owner"] == (("VIEW",), ())
    assert "PRINT" not in changes["members"][1] and "EXPORT" in changes["members"][1]
    now = timezone.now()
    old = TemplateVersion(modified_at=now - dt.timedelta(days=10), offline_days=None)
    new = TemplateVersion(modified_at=now - dt.timedelta(days=1), offline_days=2)
    assert licenses_end([old, new], until=now, max_days=30) == now + dt.timedelta(days=29)
    assert licenses_end([new], until=now, max_days=30) == now + dt.timedelta(days=2)
    assert licenses_end([], until=now, max_days=30) is None
