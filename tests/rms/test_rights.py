import pytest
from hypothesis import given
from hypothesis import strategies as st

from rms import rights
from rms.rights import ALL_RIGHTS, LEVELS, implies, parse_level_or_rights, with_dependencies


def test_levels_are_those_of_the_product():
    viewer = {"VIEW", "VIEWRIGHTSDATA", "REPLY", "REPLYALL", "OBJMODEL"}
    reviewer = viewer | {"EDIT", "DOCEDIT", "FORWARD"}
    author = reviewer | {"EXTRACT", "PRINT"}
    assert set(LEVELS["VIEWER"]) == viewer
    assert set(LEVELS["REVIEWER"]) == reviewer
    assert set(LEVELS["AUTHOR"]) == author
    assert set(LEVELS["COOWNER"]) == author | {"EXPORT", "EDITRIGHTSDATA", "OWNER"}


@pytest.mark.parametrize("level", [*LEVELS.values(), rights.DO_NOT_FORWARD, rights.ENCRYPT_ONLY])
def test_what_comes_as_a_set_needs_nothing_more(level):
    if "OWNER" not in level:
        assert set(with_dependencies(level)) == set(level)


def test_every_right_needs_view_and_some_need_more():
    assert with_dependencies(["print"]) == ("VIEW", "PRINT")
    assert with_dependencies(["EDIT"]) == ("VIEW", "EDIT", "DOCEDIT")
    assert with_dependencies(["REPLYALL"]) == ("VIEW", "REPLY", "REPLYALL")
    assert with_dependencies(["EDITRIGHTSDATA"]) == ("VIEW", "VIEWRIGHTSDATA", "EDITRIGHTSDATA")
    assert with_dependencies([]) == ()
    assert with_dependencies(["Owner"]) == ALL_RIGHTS


def test_rights_of_applications_pass_through():
    assert with_dependencies(["com.Example.Stamp", "VIEW"]) == ("VIEW", "com.Example.Stamp")


@given(st.lists(st.sampled_from([*ALL_RIGHTS, "stamp", "view", "Sign Off"])))
def test_dependencies_are_closed(names):
    once = with_dependencies(names)
    assert with_dependencies(once) == once
    assert len(set(once)) == len(once)
    assert {name if name in ("stamp", "Sign Off") else name.upper() for name in names} <= set(once)


def test_owner_implies_everything():
    assert implies(("OWNER",), "com.example.stamp")
    assert implies(("VIEW", "PRINT"), "PRINT")
    assert not implies(("VIEW", "PRINT"), "EDIT")
    assert not implies((), "VIEW")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Viewer", LEVELS["VIEWER"]),
        ("co-author", LEVELS["AUTHOR"]),
        ("CoAuthor", LEVELS["AUTHOR"]),
        ("AUTHOR", LEVELS["AUTHOR"]),
        ("Co-Owner", LEVELS["COOWNER"]),
        ("VIEW,PRINT", ("VIEW", "PRINT")),
        (" print , com.example.Stamp ", ("VIEW", "PRINT", "com.example.Stamp")),
    ],
)
def test_levels_and_lists_are_understood(text, expected):
    assert parse_level_or_rights(text) == expected


@pytest.mark.parametrize("text", ["", " ", ",", "VIEW,,PRINT", "every thing", "VIEW\nPRINT", "x" * 300])
def test_anything_else_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match=r"\.$"):
        parse_level_or_rights(text)
