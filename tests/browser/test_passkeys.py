"""Passkeys with the browser's virtual authenticator, and reading with a code, as people do it."""

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from playwright.sync_api import Page, expect

from tenants.models import OutgoingMail
from tests.browser.test_portal import OpenPage, check, document, open_page  # noqa: F401  # fixtures
from tests.conftest import PASSWORD, World

pytestmark = pytest.mark.browser


def with_authenticator(page: Page) -> Any:
    """A device that always recognizes its person."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return devtools


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/")


def test_a_passkey_signs_in_alone_and_confirms(open_page: OpenPage, world: World) -> None:  # noqa: F811
    page = open_page("bob")
    with_authenticator(page)
    page.goto("/profile/")
    page.get_by_role("link", name="Second factors and passkeys").click()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Laptop")
    check(page, "add a passkey", look_at=360)
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    page.goto("/accounts/2fa/webauthn/")
    expect(page.get_by_role("row", name=re.compile("Laptop"))).to_be_visible()
    assert Authenticator.objects.get(type="webauthn").user == world.person("bob")
    sign_out(page)
    page.goto("/accounts/login/?next=/documents/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Documents")
    sign_out(page)
    page.goto("/accounts/login/?with=password")
    page.get_by_label("Email address").fill("bob@contoso.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Second factor")
    check(page, "second factor", look_at=360)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("navigation").first).to_be_visible()


def test_somebody_outside_reads_with_a_code(open_page: OpenPage, world: World) -> None:  # noqa: F811
    page = open_page()
    page.goto("/open/")
    page.get_by_role("link", name="Continue without an account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Continue without an account")
    check(page, "address", look_at=360)
    page.get_by_label("Email address").fill("zoe@outside.example")
    page.get_by_role("button", name="Send me a code").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mail")
    check(page, "code", look_at=1440)
    mail = OutgoingMail.objects.get(to="zoe@outside.example")
    found = re.search(r"^(\d{6})$", mail.text, re.MULTILINE)
    assert found
    page.get_by_label("Code").fill(found.group(1))
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Open a protected file")
    page.goto("/")
    expect(page.get_by_role("link", name="Make an account")).to_be_visible()
    check(page, "home of a guest", look_at=768)
