"""Light or dark, language, time zone, name: chosen here, kept here."""

import datetime as dt

import pytest
from django.template import Context, Template
from django.test import override_settings
from django.utils import timezone, translation

from portal.templatetags.portal import initials, relative
from portal.zones import known_zone
from tests.conftest import World
from tests.portal.conftest import Browse, MakeDocument

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)


def test_the_scheme_is_kept_in_the_browser_and_drawn_by_the_server(browse: Browse) -> None:
    client = browse("bob")
    assert "data-theme" not in client.get("/").content.decode()
    assert (
        client.post("/preferences/", {"theme": "dark", "next": "/documents/?q=a"})["Location"]
        == "/documents/?q=a"
    )
    page = client.get("/").content.decode()
    assert 'data-theme="dark"' in page and '<meta name="color-scheme" content="dark">' in page
    client.post("/preferences/", {"theme": ""})
    assert "data-theme" not in client.get("/").content.decode()
    client.cookies["rightskeep-theme"] = '"><script>'
    assert "data-theme" not in client.get("/").content.decode()


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil.example", ""]
)
def test_nobody_is_led_elsewhere(browse: Browse, target: str) -> None:
    assert browse("").post("/preferences/", {"theme": "dark", "next": target})["Location"] == "/"


def test_the_language_is_kept_in_the_browser_and_in_the_account(browse: Browse, world: World) -> None:
    client = browse("bob")
    client.post("/preferences/", {"language": "de"})
    page = client.get("/")
    assert 'lang="de"' in page.content.decode() and "Dokument schützen" in page.content.decode()
    assert page["Content-Language"] == "de"
    assert world.person("bob").language == "de"
    assert "Dokument schützen" in browse("bob").get("/").content.decode(), "another browser, same person"
    client.post("/preferences/", {"language": "xx"})
    assert world.person("bob").language == "de"
    assert (
        "Anmelden"
        in browse("", headers={"accept-language": "de-AT,en;q=0.5"}).get("/accounts/login/").content.decode()
    )


def test_times_are_those_of_the_person(browse: Browse, world: World, make_document: MakeDocument) -> None:
    document = make_document(expires_at=NOON)
    address = f"/documents/{document.content_id}/"
    client = browse("bob")
    assert "July 1, 2026, noon UTC" in client.get(address).content.decode()
    client.cookies["rightskeep-zone"] = "America%2FNew_York"
    assert "July 1, 2026, 8 a.m. EDT" in client.get(address).content.decode()
    client.post("/profile/", {"name": "Bob B.", "language": "en", "time_zone": "Asia/Kolkata"})
    page = client.get(address).content.decode()
    assert "July 1, 2026, 5:30 p.m. IST" in page and "Your details have been saved." in page
    assert world.person("bob").name == "Bob B."


@pytest.mark.parametrize("field", ["language", "time_zone"])
def test_what_does_not_exist_cannot_be_chosen(browse: Browse, world: World, field: str) -> None:
    given = {"name": "", "language": "en", "time_zone": "", field: "Mars/Olympus"}
    assert browse("bob").post("/profile/", given).status_code == 400
    assert world.person("bob").time_zone == ""


@pytest.mark.parametrize("name", ["../../etc/passwd", "Europe", "Mars/Olympus", "\x00", "", "/etc/localtime"])
def test_a_zone_nobody_knows_is_utc(name: str) -> None:
    assert known_zone(name).key == "UTC"


@pytest.mark.parametrize(
    ("distance", "english", "german"),
    [
        (dt.timedelta(seconds=5), "just now", "gerade eben"),
        (dt.timedelta(seconds=-5), "in a moment", "gleich"),
        (dt.timedelta(minutes=1), "1 minute ago", "vor 1 Minute"),
        (dt.timedelta(minutes=59), "59 minutes ago", "vor 59 Minuten"),
        (dt.timedelta(hours=-2), "in 2 hours", "in 2 Stunden"),
        (dt.timedelta(days=1, hours=5), "1 day ago", "vor 1 Tag"),
        (dt.timedelta(days=-29), "in 29 days", "in 29 Tagen"),
        (dt.timedelta(days=31), "May 31, 2026", "31. Mai 2026"),
    ],
)
def test_distances_in_words(distance: dt.timedelta, english: str, german: str) -> None:
    with timezone.override(dt.UTC):
        with translation.override("en"):
            assert relative(NOON - distance, NOON) == english
        with translation.override("de"):
            assert relative(NOON - distance, NOON) == german


def test_a_time_says_the_exact_one_too() -> None:
    with timezone.override(known_zone("Europe/Berlin")), translation.override("de"):
        html = Template("{% load portal %}{% ago when %}").render(Context({"when": NOON}))
    assert 'datetime="2026-07-01T12:00:00+00:00"' in html
    assert html.count("1. Juli 2026, 14:00 CEST") == 2, "on hover, and for those who do not see it"


@pytest.mark.parametrize(
    ("person", "letters"),
    [("Ada Lovelace", "AL"), ("bob@contoso.example", "b"), ("eva.maria.k@x", "em"), ("", "?"), ("@", "?")],
)
def test_initials(person: str, letters: str) -> None:
    assert initials(person) == letters


@override_settings(PRODUCTION=True)
def test_the_design_page_is_for_operators_in_production(browse: Browse, world: World) -> None:
    assert browse("alice").get("/design/").status_code == 404
    world.person("alice").__class__.objects.filter(email="alice@contoso.example").update(is_staff=True)
    assert browse("alice").get("/design/").status_code == 200
