"""Single sign-on in a real browser, between our pages and a provider in a process of its own: no policy stands in the way."""
# ruff: noqa: F811  # fixtures of other modules are parameters here

import ipaddress
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tenants import sso
from tests.browser.test_portal import OpenPage, open_page  # noqa: F401
from tests.conftest import World
from tests.portal.conftest import browse, make_document  # noqa: F401
from tests.portal.test_sign_in import authorize
from tests.sign_on.conftest import OpenIDProvider, SetUp, openid, set_up  # noqa: F401

pytestmark = pytest.mark.browser


@pytest.fixture
def connected(
    live_server: LiveServer, settings: Any, world: World, set_up: SetUp, openid: OpenIDProvider
) -> Any:
    settings.INTERNAL_NETWORKS_ALLOWED = [ipaddress.ip_network("127.0.0.0/8")]
    settings.PUBLIC_URL = live_server.url
    openid.knows("bob-in-browser", email="bob@contoso.example", name="Bob")
    return set_up(world.contoso, use="enforced")


def sign_in_there(page: Page, openid: OpenIDProvider, subject: str) -> None:
    page.wait_for_url(f"{openid.issuer}/oauth2/authorize?**")
    page.get_by_placeholder("sub").fill(subject)
    page.get_by_role("button", name="Authorize", exact=True).click()


def test_a_program_gets_its_code_over_single_sign_on(
    open_page: OpenPage,
    connected: Any,
    openid: OpenIDProvider,
) -> None:
    page = open_page()
    page.route("http://127.0.0.1:8765/**", lambda route: route.fulfill(body="back in the program"))
    page.goto(authorize())
    page.get_by_label("Email address").fill("bob@contoso.example")
    page.get_by_role("button", name="Continue", exact=True).click()
    sign_in_there(page, openid, "bob-in-browser")
    page.get_by_role("button", name="Allow", exact=True).click()
    page.wait_for_url(re.compile(r"^http://127\.0\.0\.1:8765/callback\?.*code="))
    expect(page.get_by_text("back in the program")).to_be_visible()


def test_an_admin_tests_and_makes_it_the_only_way_in(
    open_page: OpenPage,
    connected: Any,
    openid: OpenIDProvider,
    world: World,
) -> None:
    sso.configure(
        world.contoso,
        sso.Setup(
            kind="oidc", name="Login", issuer=openid.issuer, client_id="other", client_secret="another-secret"
        ),
        actor=world.person("alice"),
    )
    page = open_page("alice")
    page.goto("/settings/sign-in/")
    page.get_by_label("With the identity provider only").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-toast]")).to_contain_text("Test the sign-in first")
    page.get_by_role("button", name="Test the sign-in").click()
    sign_in_there(page, openid, "bob-in-browser")
    page.wait_for_url("**/settings/sign-in/")
    expect(page.get_by_text("The test went well: bob@contoso.example would be signed in.")).to_be_visible()
    page.get_by_label("With the identity provider only").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Single sign-on only", exact=True)).to_be_visible()
