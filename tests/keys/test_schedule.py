"""Rolling by policy: when it is due, who does it, what withdraws it, what it tells, and what it counts."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import AdminEvent, UsageEvent
from audit.recording import OPENING, Usage, record_usage
from keys import keeping, schedule
from keys.custody import active_key, find_key, forget_loaded
from keys.errors import KeyUnavailableError, NoRollError, RollInProgressError, RollPolicyError
from keys.models import KeyNotice, KeyVersion, RollPolicy
from keys.notices import warn, warnings_of
from keys.rollover import create_first_key, finish_due_rolls, start_roll
from keys.schedule import Policy, replan, roll_due, set_policy, withdraw_roll
from keys.tasks import count_key_uses, roll_by_policy
from keys.uses import count_uses, uses_of
from tenants.models import OutgoingMail, RoleAssignment, Tenant, User
from tests.keys.aging import age_keys, let_announcements_pass, let_plans_pass

pytestmark = pytest.mark.django_db
YEARLY = Policy(every_days=365)


@pytest.fixture
def key(contoso: Tenant, alice: User) -> KeyVersion:
    """The key of Contoso, 400 days old; alice is its global administrator."""
    Tenant.objects.update(state="active")
    RoleAssignment.objects.create(tenant=contoso, user=alice, role=RoleAssignment.Role.GLOBAL_ADMIN)
    made = create_first_key(contoso)
    age_keys(400)
    return made


def pending_of(tenant: Tenant) -> KeyVersion:
    return KeyVersion.objects.for_tenant(tenant).get(state="pending")


def days_until(then: datetime | None) -> int:
    assert then is not None
    return round((then - timezone.now()) / timedelta(days=1))


def test_nothing_is_rolled_by_itself_by_default(contoso: Tenant, key: KeyVersion):
    age_keys(5000)
    roll_by_policy()
    assert KeyVersion.objects.get() == key
    row = RollPolicy.objects.get()
    assert (row.next_roll_at, schedule.read_policy(row)) == (None, Policy())


def test_a_roll_by_policy_from_claim_to_retirement(contoso: Tenant, alice: User, key: KeyVersion):
    block = active_key(contoso.id).public_key.encrypt_oaep(b"content key")
    set_policy(contoso, Policy(every_days=365, bits=3072), actor=alice)
    roll_by_policy()
    new = pending_of(contoso)
    assert new.bits == 3072
    assert days_until(new.planned_at) == 1
    roll_by_policy()  # nothing is made twice
    let_announcements_pass()
    assert finish_due_rolls() == 0  # a day for administrators to withdraw it
    let_plans_pass()
    assert finish_due_rolls() == 1
    assert active_key(contoso.id).fingerprint == new.fingerprint
    found = find_key(key.fingerprint)
    assert found is not None and found.state == "archived" and found.decrypt(block) == b"content key"
    roll_by_policy()
    row = RollPolicy.objects.get()
    assert row.key_id == new.id and days_until(row.next_roll_at) == 365
    story = AdminEvent.objects.for_tenant(contoso.id).order_by("id").values_list("action", "actor", "target")
    assert list(story) == [
        ("ChangeRollPolicy", alice.email, "Contoso"),
        ("RollKey", "system", new.fingerprint),
        ("ActivateKey", "system", new.fingerprint),
    ]


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        (Policy(every_days=500), 100),
        (Policy(stated_age_days=600, before_age=True), 186),
        (Policy(every_days=500, stated_age_days=430, before_age=True), 16),
        (Policy(every_days=90), 1),
    ],
)
def test_when_the_next_roll_is(contoso: Tenant, alice: User, key: KeyVersion, policy: Policy, days: int):
    assert days_until(set_policy(contoso, policy, actor=alice).next_roll_at) == days


def test_policies_that_are_refused(contoso: Tenant, alice: User):
    for policy in (Policy(every_days=29), Policy(stated_age_days=4000), Policy(bits=1024)):
        with pytest.raises(RollPolicyError):
            set_policy(contoso, policy, actor=alice)
    assert not RollPolicy.objects.exists()


def test_a_policy_that_does_not_change_is_not_logged(contoso: Tenant, alice: User, key: KeyVersion):
    for _ in range(2):
        set_policy(contoso, YEARLY, actor=alice)
    event = AdminEvent.objects.get(action="ChangeRollPolicy")
    assert event.before and event.after
    assert (event.before["every_days"], event.after["every_days"]) == (None, 365)


def test_withdrawing(contoso: Tenant, alice: User, key: KeyVersion):
    with pytest.raises(NoRollError):
        withdraw_roll(contoso, actor=alice)
    set_policy(contoso, YEARLY, actor=alice)
    roll_due()
    withdrawn = withdraw_roll(contoso, actor=alice)
    withdrawn.refresh_from_db()
    assert (withdrawn.state, withdrawn.sealed_private) == ("withdrawn", None)
    let_plans_pass()
    assert (finish_due_rolls(), find_key(withdrawn.fingerprint)) == (0, None)
    assert active_key(contoso.id).fingerprint == key.fingerprint
    assert roll_due() == 0  # put off, not tried again at once
    assert days_until(RollPolicy.objects.get().next_roll_at) == 7
    assert AdminEvent.objects.filter(action="WithdrawKey", actor=alice.email).count() == 1
    with pytest.raises(NoRollError):
        withdraw_roll(contoso, actor=alice)


def test_a_roll_by_hand_for_a_later_time(contoso: Tenant, alice: User, key: KeyVersion):
    with pytest.raises(ValueError, match="within the next 365 days"):
        start_roll(contoso, actor=alice, at=timezone.now() - timedelta(days=1))
    start_roll(contoso, actor=alice, at=timezone.now() + timedelta(days=3))
    let_announcements_pass()
    assert finish_due_rolls() == 0
    let_plans_pass()
    assert finish_due_rolls() == 1


def test_who_is_not_rolled(contoso: Tenant, alice: User, key: KeyVersion):
    """An organization that is switched off, one whose key was brought, one with a key on its way."""
    set_policy(contoso, YEARLY, actor=alice)
    Tenant.objects.update(state="inactive")
    assert roll_due() == 0
    Tenant.objects.update(state="active")
    KeyVersion.objects.update(origin="brought")
    assert roll_due() == 0
    KeyVersion.objects.update(origin="made")
    start_roll(contoso, actor=alice)
    assert roll_due() == 0


def test_a_claim_keeps_others_away_and_runs_out(contoso: Tenant, alice: User, key: KeyVersion):
    set_policy(contoso, YEARLY, actor=alice)
    claimed = schedule._claim()
    assert claimed and schedule._claim() is None and roll_due() == 0
    RollPolicy.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert roll_due() == 1
    # The worker that was taken for dead comes back: its claim is gone, and so nothing comes of its key.
    assert schedule._make(claimed) == 0
    assert KeyVersion.objects.filter(state="pending").count() == 1


def test_a_roll_by_hand_in_the_instant_of_one_by_policy(
    contoso: Tenant, alice: User, key: KeyVersion, monkeypatch: pytest.MonkeyPatch
):
    set_policy(contoso, YEARLY, actor=alice)
    other = Tenant.objects.create(slug="fabrikam", name="Fabrikam", state="active")
    create_first_key(other)
    age_keys(400)
    set_policy(other, YEARLY, actor=alice)
    replan()
    real = keeping.new_key

    def meanwhile(tenant_id: Any, **options: Any) -> KeyVersion:
        if tenant_id == contoso.id and "key_id" in options:
            start_roll(contoso, actor=alice)
        return real(tenant_id, **options)

    monkeypatch.setattr(keeping, "new_key", meanwhile)
    assert roll_due() == 1  # the other one
    assert pending_of(contoso).planned_at is None and pending_of(other).planned_at is not None
    assert not RollPolicy.objects.exclude(claim=None).exists()
    with pytest.raises(RollInProgressError):
        start_roll(other, actor=alice)


def test_a_key_store_that_does_not_answer(
    contoso: Tenant, alice: User, key: KeyVersion, monkeypatch: pytest.MonkeyPatch
):
    """While a key is made, then at the switch: put off, told once, carried out when it answers."""

    def silent(*_: object, **__: object) -> None:
        raise KeyUnavailableError("The key store did not answer in time.")

    set_policy(contoso, YEARLY, actor=alice)
    with monkeypatch.context() as broken:
        broken.setattr(keeping, "new_key", silent)
        assert (roll_due(), roll_due()) == (0, 0)
        row = RollPolicy.objects.get()
        assert (row.trouble, row.attempts, row.claim) == ("key_unavailable", 1, None)
        pass_the_pause(minutes=20)
        assert roll_due() == 0
        assert RollPolicy.objects.get().attempts == 2
        assert (warn(), warn()) == (1, 0)
    pass_the_pause()
    assert roll_due() == 1
    let_plans_pass()
    with monkeypatch.context() as broken:
        broken.setattr("keys.rollover.check_usable", silent)
        assert (finish_due_rolls(), finish_due_rolls()) == (0, 0)
        assert RollPolicy.objects.get().attempts == 1
        pass_the_pause(minutes=20)
        assert (warn(), warn()) == (1, 0)  # another occurrence
    assert active_key(contoso.id).fingerprint == key.fingerprint
    pass_the_pause()
    assert finish_due_rolls() == 1
    row = RollPolicy.objects.get()
    assert (row.trouble, row.trouble_since, row.attempts) == ("", None, 0)
    assert KeyNotice.objects.filter(kind="roll_failing").count() == 2
    assert AdminEvent.objects.filter(action__in=["RollKey", "ActivateKey"]).count() == 2


def pass_the_pause(*, minutes: int = 0) -> None:
    """As if the pause after a failure, and `minutes` of the trouble, were over."""
    row = RollPolicy.objects.get()
    since = row.trouble_since - timedelta(minutes=minutes) if row.trouble_since else None
    RollPolicy.objects.update(retry_at=None, trouble_since=since)


def test_warnings_are_mailed_once_to_those_who_can_act(contoso: Tenant, alice: User, key: KeyVersion):
    bob, carol = (
        User.objects.create_user(f"{name}@contoso.example", tenant=contoso) for name in ("bob", "carol")
    )
    RoleAssignment.objects.create(tenant=contoso, user=bob, role=RoleAssignment.Role.KEY_ADMIN)
    RoleAssignment.objects.create(tenant=contoso, user=carol, role=RoleAssignment.Role.AUDITOR)
    replan()
    assert warn() == 0
    for policy, kind, text in (
        (Policy(stated_age_days=420), "ages_soon", "reaches its stated age on"),
        (Policy(stated_age_days=390), "too_old", "older than its stated age since"),
        (Policy(every_days=410), "roll_due", "replaced by a new one on"),
    ):
        set_policy(contoso, policy, actor=alice)
        assert [one.kind for one in warnings_of(contoso)] == [kind]
        assert (warn(), warn()) == (1, 0)
        mails = OutgoingMail.objects.filter(text__contains=text)
        assert {mail.to for mail in mails} == {alice.email, bob.email}
        assert "/keys/" in mails[0].text and key.fingerprint[:16] in mails[0].text
    set_policy(contoso, YEARLY, actor=alice)
    roll_due()
    assert [one.kind for one in warnings_of(contoso)] == ["roll_planned"]
    assert (warn(), warn()) == (1, 0)
    let_plans_pass()
    finish_due_rolls()
    replan()
    assert warnings_of(contoso) == [] and warn() == 0


def test_a_brought_key_is_asked_for(contoso: Tenant, alice: User, key: KeyVersion):
    KeyVersion.objects.update(origin="brought")
    set_policy(contoso, Policy(every_days=420), actor=alice)
    assert "bring_key" in [one.kind for one in warnings_of(contoso)]
    RollPolicy.objects.update(next_roll_at=timezone.now() - timedelta(days=2))
    assert "roll_overdue" in [one.kind for one in warnings_of(contoso)]


def test_an_active_key_that_cannot_be_reached(contoso: Tenant, alice: User, key: KeyVersion):
    KeyVersion.objects.update(kind="pkcs11")
    forget_loaded()
    replan()
    assert warn() == 0  # not at once: it may be back in a moment
    RollPolicy.objects.update(unreachable_since=timezone.now() - timedelta(hours=1))
    assert (warn(), warn()) == (1, 0)
    KeyVersion.objects.update(kind="software")
    RollPolicy.objects.update(unreachable_since=None)
    assert warnings_of(contoso) == []


def test_uses_are_counted_once(contoso: Tenant, key: KeyVersion, django_assert_num_queries: Any):
    def use(request_type: str, *, days: int = 0, used: KeyVersion | None = key) -> None:
        record_usage(
            Usage(
                tenant_id=contoso.id,
                request_type=request_type,
                result="Success",
                key_id=used.id if used else None,
            )
        )
        if days:
            newest = UsageEvent.objects.latest("id")
            newest.time -= timedelta(days=days)
            newest.save()

    use(OPENING)
    use(OPENING, days=2)
    use("FEGetAllTemplates", used=None)
    count_key_uses()
    use("FECreatePublishingLicenseV1")
    use(OPENING)
    assert (count_uses(), count_uses()) == (2, 0)
    with django_assert_num_queries(1):
        days = uses_of(contoso, [key.id], days=3)[key.id]
    assert [(day.protected, day.opened) for day in days] == [(0, 1), (0, 0), (1, 2)]
