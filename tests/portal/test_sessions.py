"""Where one is signed in, and signing out there."""

from django.test import Client

from portal.sessions import browser_name
from tests.conftest import PASSWORD, World
from tests.portal.conftest import Browse

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"


def sign_in(browse: Browse, name: str = "bob", agent: str = FIREFOX) -> Client:
    client = browse("", headers={"User-Agent": agent})
    client.post("/accounts/login/", {"login": f"{name}@contoso.example", "password": PASSWORD})
    assert client.get("/documents/").status_code == 200
    return client


def rows(client: Client) -> list[dict[str, object]]:
    found: list[dict[str, object]] = client.get("/profile/sessions/").context["rows"]
    return found


def test_lists_browsers_and_signs_one_out(world: World, browse: Browse) -> None:
    here, there = sign_in(browse), sign_in(browse, agent=EDGE)
    shown = {str(row["browser"]): row for row in rows(here)}
    assert set(shown) == {"Firefox, Linux", "Edge, Windows"}
    assert shown["Firefox, Linux"]["here"] and not shown["Edge, Windows"]["here"]
    other = shown["Edge, Windows"]["session"].id  # type: ignore[attr-defined]
    assert sign_in(browse, "carol").post("/profile/sessions/", {"session": other}).status_code == 404
    assert here.post("/profile/sessions/", {"session": other}).status_code == 302
    assert there.get("/documents/").status_code == 302
    assert here.get("/documents/").status_code == 200
    for wrong in ("", "x", "-1", "9" * 30):
        assert here.post("/profile/sessions/", {"session": wrong}).status_code == 404


def test_signs_out_everywhere_else(world: World, browse: Browse) -> None:
    here, others = sign_in(browse), [sign_in(browse), sign_in(browse)]
    stranger = sign_in(browse, "carol")
    page = here.post("/profile/sessions/", {"session": "others"}, follow=True)
    assert "2 other browsers have been signed out." in page.content.decode()
    assert [one.get("/documents/").status_code for one in (here, stranger, *others)] == [200, 200, 302, 302]
    assert len(rows(here)) == 1


def test_a_new_password_ends_the_others(world: World, browse: Browse) -> None:
    here, there = sign_in(browse), sign_in(browse)
    new = "another staple battery"
    changed = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert here.post("/accounts/password/change/", changed).status_code == 302
    assert here.get("/documents/").status_code == 200 and there.get("/documents/").status_code == 302
    assert len(rows(here)) == 1


def test_names_of_browsers() -> None:
    safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604.1"
    assert [browser_name(agent) for agent in (safari, "curl/8.5", "", "nothing known")] == [
        "Safari, iOS",
        "curl",
        "",
        "",
    ]
