"""The order of the decision and what each exemption is worth, by table and by random policies."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.evaluation import Grant, Outcome, Policy, Subject, evaluate, reaches, rights_of
from rms.rights import ALL_RIGHTS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GROUP, TENANT = uuid.UUID(int=7), uuid.UUID(int=8)


def subject(**facts: Any) -> Subject:
    base: dict[str, Any] = {
        "addresses": frozenset({"dave@fabrikam.example", "d@alias.example"}),
        "domains": frozenset({"fabrikam.example", "alias.example"}),
        "groups": frozenset(),
        "is_member": False,
        "home_tenant_id": TENANT,
    }
    return Subject(**{**base, **facts})


GRANTED_TO_DAVE = (Grant("dave@fabrikam.example", ("VIEW",)),)


@pytest.mark.parametrize(
    ("who", "granted", "revoked", "expired", "outcome"),
    [
        ({}, True, False, False, Outcome.GRANTED),
        ({}, False, False, False, Outcome.DENIED),
        ({}, False, True, True, Outcome.DENIED),  # strangers learn nothing about revocation or expiry
        ({}, True, True, True, Outcome.REVOKED),
        ({}, True, False, True, Outcome.EXPIRED),
        ({"is_owner": True}, False, True, False, Outcome.REVOKED),
        ({"is_owner": True}, False, False, True, Outcome.GRANTED),
        ({"is_issuer": True}, False, True, True, Outcome.GRANTED),
        ({"is_super_user": True}, False, True, True, Outcome.GRANTED),
    ],
)
def test_order(who: dict[str, bool], granted: bool, revoked: bool, expired: bool, outcome: Outcome) -> None:
    policy = Policy(GRANTED_TO_DAVE if granted else (), NOW - timedelta(days=1) if expired else None, None)
    verdict = evaluate(policy, subject(**who), revoked=revoked, now=NOW, max_license_days=30)
    assert verdict.outcome is outcome
    assert bool(verdict.rights) is (outcome is Outcome.GRANTED)


@pytest.mark.parametrize(
    ("offline_days", "expires_in", "who", "days", "offline"),
    [
        (None, None, {}, 30, True),
        (7, None, {}, 7, True),
        (90, None, {}, 30, True),
        (0, None, {}, 0, False),
        (None, 3, {}, 3, True),
        (1, 3, {}, 1, True),
        (0, 3, {"is_issuer": True}, 30, True),
        (0, 3, {"is_owner": True}, 30, True),
    ],
)
def test_use_license_ends(
    offline_days: int | None, expires_in: int | None, who: dict[str, bool], days: int, offline: bool
) -> None:
    expires_at = NOW + timedelta(days=expires_in) if expires_in else None
    verdict = evaluate(
        Policy(GRANTED_TO_DAVE, expires_at, offline_days),
        subject(**who),
        revoked=False,
        now=NOW,
        max_license_days=30,
    )
    assert verdict.license_until == NOW + timedelta(days=days)
    assert verdict.offline is offline


@pytest.mark.parametrize(
    ("principal", "reached"),
    [
        ("anyone", True), ("members", False), ("owner", False), ("DAVE@fabrikam.EXAMPLE", True), ("d@alias.example", True),
        ("@fabrikam.example", True), ("@Alias.Example", True), ("@brikam.example", False), ("@contoso.example", False),
        (f"tenant:{TENANT}", True), (f"tenant:{GROUP}", False), (f"group:{GROUP}", False), ("group:", False), ("tenant:x", False),
        ("", False), ("everybody", False), ("@", False), ("fabrikam.example", False),
    ],
)  # fmt: skip
def test_who_a_grant_reaches(principal: str, reached: bool) -> None:
    assert reaches(principal, subject()) is reached


def test_members_and_groups() -> None:
    insider = subject(is_member=True, groups=frozenset({GROUP}))
    assert reaches("members", insider) and reaches(f"group:{GROUP}", insider)


principals = st.sampled_from(
    [
        "anyone",
        "members",
        "owner",
        "dave@fabrikam.example",
        "@alias.example",
        f"group:{GROUP}",
        "x@y.example",
        "?",
    ]
)
grants = st.lists(
    st.builds(Grant, principals, st.lists(st.sampled_from(ALL_RIGHTS), min_size=1, max_size=4).map(tuple)),
    max_size=6,
)


@given(grants=grants, groups=st.booleans(), member=st.booleans())
def test_rights_are_the_union_of_what_reaches(grants: list[Grant], groups: bool, member: bool) -> None:
    who = subject(groups=frozenset({GROUP}) if groups else frozenset(), is_member=member)
    expected = {right for grant in grants if reaches(grant.principal, who) for right in grant.rights}
    held = set(rights_of(Policy(tuple(grants), None, None), who))
    assert held == (set(ALL_RIGHTS) if "OWNER" in expected else expected)


@given(
    grants=grants,
    revoked=st.booleans(),
    hours=st.integers(-48, 48),
    offline=st.none() | st.integers(0, 60),
    days=st.integers(1, 365),
)
def test_nobody_is_ever_told_more_than_no_without_rights(
    grants: list[Grant], revoked: bool, hours: int, offline: int | None, days: int
) -> None:
    policy = Policy(tuple(grants), NOW + timedelta(hours=hours), offline)
    verdict = evaluate(policy, subject(), revoked=revoked, now=NOW, max_license_days=days)
    has_rights = bool(rights_of(Policy(tuple(grants), None, None), subject()))
    assert (verdict.outcome is Outcome.DENIED) is not has_rights
    if verdict.outcome is Outcome.GRANTED:
        assert not revoked and verdict.license_until is not None and policy.expires_at is not None
        assert verdict.license_until <= min(NOW + timedelta(days=days), policy.expires_at)
