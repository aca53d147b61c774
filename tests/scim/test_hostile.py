"""Whatever a directory sends, the answer is a SCIM error and never a failure of ours."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scim.conftest import PATCH, USER, Directory

pytestmark = pytest.mark.django_db
FUZZ = settings(max_examples=60, suppress_health_check=list(HealthCheck))

attributes = st.sampled_from(
    [
        "userName",
        "emails",
        "emails.value",
        "active",
        "meta.created",
        "id",
        "name.givenName",
        "title",
        "x",
        "$ref",
        "members",
    ]
)
values = st.one_of(
    st.text(max_size=8).map(json.dumps),
    st.sampled_from(["true", "null", "1", "1e99", '"2026-13-45"', '"\\u0000"', '"\\ud800"']),
)
terms = st.builds(
    "{} {} {}".format,
    attributes,
    st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "le", "pr", "regex"]),
    values,
)
filters = st.recursive(
    terms | st.text(max_size=20),
    lambda inner: st.one_of(
        st.builds("({}) and {}".format, inner, inner),
        st.builds("not ({})".format, inner),
        st.builds("emails[{}]".format, inner),
        st.builds("members[{}].x or {}".format, inner, inner),
    ),
    max_leaves=6,
)
shapes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["value", "type", "primary", "userName", "emails", "name", "members", "displayName", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@FUZZ
@given(text=filters)
def test_filters(contoso: Directory, text: str) -> None:
    if not contoso.names("userName pr"):
        contoso.add_user("kim", emails=[{"value": "kim@x", "type": "work"}], title="x")
    for kind in ("Users", "Groups"):
        answer = contoso.get(f"/{kind}?filter={quote(text, errors='surrogatepass')}")
        assert answer.status_code in (200, 400), (text, answer.content)


@FUZZ
@given(
    body=shapes,
    path=st.sampled_from(
        [None, "emails", "members", "active", 'emails[type eq "x"].value', "name", "x[", "userName", 7]
    ),
)
def test_bodies(contoso: Directory, body: Any, path: Any) -> None:
    kim = contoso.get("/Users?count=1").json()["Resources"] or [contoso.add_user("kim")]
    group = contoso.get("/Groups?count=1").json()["Resources"] or [contoso.add_group("Editors")]
    described = {
        "schemas": [USER],
        "userName": body,
        "emails": body,
        "name": body,
        "active": body,
        "displayName": body,
    }
    asked = [
        contoso.call("POST", "/Users", described),
        contoso.call("POST", "/Users", body),
        contoso.call("POST", "/Groups", {"displayName": body, "members": body}),
        contoso.call(
            "POST", "/Users/.search", {"filter": body, "count": body, "startIndex": body, "attributes": body}
        ),
        contoso.call("POST", "/Bulk", {"Operations": body}),
        contoso.call(
            "POST",
            "/Bulk",
            {"Operations": [body, {"method": "PUT", "path": f"/Users/{kim[0]['id']}", "data": body}]},
        ),
    ]
    for place in (f"/Users/{kim[0]['id']}", f"/Groups/{group[0]['id']}"):
        for op in ("add", "Replace", "remove"):
            operation = {"op": op, "value": body} | ({"path": path} if path is not None else {})
            asked.append(contoso.call("PATCH", place, {"schemas": [PATCH], "Operations": [operation]}))
        asked.append(contoso.call("PATCH", place, {"schemas": [PATCH], "Operations": body}))
    for answer in asked:
        assert answer.status_code < 500, answer.content
        if answer.status_code >= 400:
            assert answer.json()["status"] == str(answer.status_code)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 200_000, 400),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400),
        (b"\xff\xfe", 400),
        (b"[]", 400),
        (b"NaN", 400),
        (b'{"userName": "a\\u0000b"}', 400),
        (b'{"userName": "\\ud800"}', 400),
        (b" " * (2 * 1024 * 1024 + 1), 413),
        (b'{"userName": "' + b"a" * 300 + b'"}', 400),
    ],
)
def test_broken_bodies(contoso: Directory, body: bytes, status: int) -> None:
    answer = contoso.call("POST", "/Users", body)
    assert (answer.status_code, answer.json()["status"]) == (status, str(status))


def test_what_is_not_there(contoso: Directory) -> None:
    assert contoso.get("/Cats").status_code == 404
    assert contoso.get("/Users/bulkId:x").status_code == 404
    assert contoso.call("DELETE", "/Users").status_code == 405
    assert contoso.get("/Me").status_code == 501
    assert contoso.get(f"/Users?filter={'(' * 3000}").json()["scimType"] == "invalidFilter"
    many = quote(" or ".join(['userName eq "x"'] * 41))
    assert contoso.get(f"/Users?filter={many}").json()["scimType"] == "invalidFilter"
