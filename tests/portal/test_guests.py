"""People outside read with a code, and nobody gets in by one who has to sign in."""

import re
import time
from typing import Any

import pytest
from django.test import Client

from tenants.freshness import forget_facts
from tenants.guests import Try, use_try
from tenants.models import OutgoingMail, User, VerifiedDomain
from tests.conftest import PASSWORD, Device, World
from tests.portal.conftest import Browse, Clock

ADDRESS = "zoe@outside.example"


def ask(client: Client, address: str = ADDRESS, **more: str) -> Any:
    return client.post("/guest/", {"email": address, **more})


def last_mail(address: str = ADDRESS) -> OutgoingMail:
    mail = OutgoingMail.objects.filter(to=address).order_by("-created_at").first()
    assert mail is not None
    return mail


def code_for(address: str = ADDRESS) -> str:
    found = re.search(r"^(\d{6})$", last_mail(address).text, re.MULTILINE)
    assert found, last_mail(address).text
    return found.group(1)


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def state(client: Client) -> Any:
    return client.session["guest_code"]


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_reads_at_the_first_try(world: World, browse: Browse, device: Any) -> None:
    bob: Device = device("bob")
    license = bob.protect_for((ADDRESS, ["VIEW"]))["SerializedPublishingLicense"]
    client = browse("")
    assert 'href="/guest/?next=/open/"' in client.get(
        "/accounts/login/?next=/open/"
    ).content.decode().replace("%2F", "/")
    assert ask(client, "Zoe@Outside.example", next="/open/")["Location"] == "/guest/code/"
    assert ADDRESS in client.get("/guest/code/").content.decode()
    done = client.post("/guest/code/", {"code": f" {code_for()} "})
    assert (done.status_code, done["Location"]) == (302, "/open/")
    zoe = User.objects.get(email=ADDRESS)
    assert zoe.is_guest and zoe.tenant is None and not zoe.has_usable_password()
    assert client.get("/open/").status_code == 200
    opened = client.post(
        "/open/license/", {"SerializedPublishingLicense": license}, content_type="application/json"
    )
    assert opened.json()["AccessStatus"] == "AccessGranted"
    again = browse("")
    ask(again)
    again.post("/guest/code/", {"code": code_for()})
    assert signed_in(again) and User.objects.filter(email=ADDRESS).count() == 1


def test_a_mail_in_the_language_of_the_browser(world: World, browse: Browse) -> None:
    client = browse("", headers={"Accept-Language": "de"})
    ask(client)
    assert "Ihr Code lautet" in last_mail().text


def test_a_code_is_used_up(world: World, browse: Browse) -> None:
    client = browse("")
    ask(client)
    code = code_for()
    client.post("/guest/code/", {"code": code})
    client.post("/accounts/logout/")
    assert client.post("/guest/code/", {"code": code})["Location"] == "/guest/"
    assert not signed_in(client)


def test_five_tries(world: World, browse: Browse) -> None:
    client = browse("")
    ask(client)
    code = code_for()
    for left in (4, 3, 2, 1):
        assert client.post("/guest/code/", {"code": other_than(code)}).status_code == 400
        assert state(client)["tries"] == left
    assert client.post("/guest/code/", {"code": other_than(code)}).status_code == 302
    assert client.post("/guest/code/", {"code": code}).status_code == 302
    assert not signed_in(client)


def test_ten_minutes(world: World, browse: Browse) -> None:
    client = browse("")
    ask(client)
    session = client.session
    session["guest_code"] = {**session["guest_code"], "until": time.time() - 1}
    session.save()
    client.post("/guest/code/", {"code": code_for()})
    assert not signed_in(client)


def test_only_the_browser_that_asked(world: World, browse: Browse) -> None:
    asking, other = browse(""), browse("")
    ask(asking)
    code = code_for()
    assert other.post("/guest/code/", {"code": code})["Location"] == "/guest/"
    ask(other, "someone@else.example")
    assert other.post("/guest/code/", {"code": code}).status_code == 400
    assert not signed_in(other)


@pytest.mark.parametrize(
    "address", ["erin@individual.example", "nobody@contoso.example", "bob@contoso.example"]
)
def test_accounts_and_proven_domains_sign_in_properly(world: World, browse: Browse, address: str) -> None:
    address = world.person("erin").email if address.startswith("erin") else address
    client, stranger = browse(""), browse("")
    theirs, unknown = ask(client, address), ask(stranger, "x" * (len(address) - 14) + "@other.example")
    assert (theirs.status_code, theirs["Location"]) == (unknown.status_code, unknown["Location"])
    pages_seen = [one.get("/guest/code/").content for one in (client, stranger)]
    assert len(pages_seen[0]) == len(pages_seen[1])
    assert not re.search(r"\d{6}", last_mail(address).text + last_mail(address).subject)
    assert "/accounts/login/" in last_mail(address).text
    for guess in ("000000", "123456"):
        assert client.post("/guest/code/", {"code": guess}).status_code == 400
    assert not signed_in(client) and not User.objects.filter(is_guest=True).exists()


def test_who_got_an_account_in_between_does_not_come_in(world: World, browse: Browse) -> None:
    client = browse("")
    ask(client)
    VerifiedDomain.objects.create(tenant=world.contoso, domain="outside.example")
    assert client.post("/guest/code/", {"code": code_for()})["Location"] == "/accounts/login/"
    assert not signed_in(client)


def come_in(client: Client) -> User:
    ask(client)
    client.post("/guest/code/", {"code": code_for()})
    return User.objects.get(email=ADDRESS)


def test_a_proven_domain_ends_running_sessions(world: World, browse: Browse) -> None:
    client = browse("")
    come_in(client)
    VerifiedDomain.objects.create(tenant=world.contoso, domain="outside.example")
    forget_facts()
    assert client.get("/open/").status_code == 302 and not signed_in(client)
    ask(client)
    assert "/accounts/login/" in last_mail().text


def test_a_session_ends_after_twelve_hours(world: World, browse: Browse) -> None:
    client = browse("")
    come_in(client)
    assert client.session.get_expire_at_browser_close()
    session = client.session
    session["guest_until"] = time.time() - 1
    session.save()
    assert client.post("/open/license/", {}, content_type="application/json").status_code == 302
    assert not signed_in(client)


def test_a_session_without_account_gets_no_tokens(world: World, browse: Browse) -> None:
    client = browse("")
    come_in(client)
    for path in (
        "/identity/o/device",
        "/identity/o/authorize?client_id=rightskeep",
        "/protect/",
        "/organization/new/",
    ):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, "/"), path
    assert "Make an account" in client.get("/").content.decode()


def test_a_guest_makes_an_account(world: World, browse: Browse) -> None:
    client = browse("")
    zoe = come_in(client)
    assert client.get("/accounts/password/set/").status_code == 200
    client.post("/accounts/password/set/", {"password1": PASSWORD, "password2": PASSWORD})
    zoe.refresh_from_db()
    assert not zoe.is_guest and zoe.check_password(PASSWORD)
    ask(browse(""))
    assert "/accounts/login/" in last_mail().text
    back = browse("").post("/accounts/login/", {"login": ADDRESS, "password": PASSWORD})
    assert back.status_code == 302


def test_mail_is_limited_per_address_and_says_so_alike(world: World, browse: Browse, clock: Clock) -> None:
    answers = [[ask(browse(""), address) for _ in range(7)] for address in (ADDRESS, "bob@contoso.example")]
    for given in answers:
        assert [one.status_code for one in given] == [302] * 6 + [429]
        assert int(given[-1]["Retry-After"]) >= 1
    assert OutgoingMail.objects.filter(to=ADDRESS).count() == 6


def test_tries_at_once_do_not_share_one(world: World, browse: Browse) -> None:
    """The count is in the stored session: a request that began before another ended does not bring a try back."""
    client = browse("")
    ask(client)
    code, key = code_for(), client.session.session_key
    assert key is not None
    assert [use_try(key, other_than(code)).left for _ in range(6)] == [4, 3, 2, 1, 0, 0]
    assert use_try(key, code) == Try()


def test_the_right_code_counts_once_at_once(world: World, browse: Browse) -> None:
    client = browse("")
    ask(client)
    code, key = code_for(), client.session.session_key
    assert key is not None
    assert [use_try(key, code), use_try(key, code)] == [Try(proven=ADDRESS), Try()]


def test_a_code_lets_in_whom_it_was_sent_to(
    world: World, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow request still holds the address asked for first, while the browser has asked for another one since."""
    client, hold = browse(""), use_try
    ask(client, "victim@else.example")

    def ask_meanwhile(session_key: str, code: str) -> Try:
        other = browse("")
        other.cookies = client.cookies
        ask(other)
        return hold(session_key, code_for())

    monkeypatch.setattr("tenants.guests.use_try", ask_meanwhile)
    client.post("/guest/code/", {"code": "123456"})
    assert not User.objects.filter(email="victim@else.example").exists()
    assert client.session["_auth_user_id"] == str(User.objects.get(email=ADDRESS).id)
