"""The portal in a real browser: clean for axe and the policy, at every width, by keyboard alone, in both schemes."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

from keys.models import KeyUse
from policies.models import PolicyTemplate
from tenants.models import DomainClaim, Group
from tests.browser.conftest import PATIENCE
from tests.conftest import PASSWORD, World
from tests.isolation.test_matrix import incident_of
from tests.portal.conftest import browse, log_opening, make_document  # noqa: F401  # fixtures
from tests.portal.test_sign_in import authorize
from tracking.models import Document

pytestmark = pytest.mark.browser
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
WIDTHS = (360, 768, 1440)
OpenPage = Callable[..., Page]
SHIFTED = """() => new Promise((done) => {
  let moved = 0;
  const watch = new PerformanceObserver((list) => list.getEntries().forEach((entry) => (moved += entry.value)));
  watch.observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(moved), 300);
})"""


@pytest.fixture
def open_page(live_server: LiveServer, world: World, new_context: Any) -> Iterator[OpenPage]:
    """`open_page("alice")`: a page of a browser in which alice is signed in. In the end no page may have complained."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # The browser reports every 4xx page as an error; whether it was meant is asserted where it is asked for.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def start(name: str = "", **options: Any) -> Page:
        context = new_context(base_url=live_server.url, **options)
        if name:
            client = Client()
            client.force_login(world.person(name), backend=BACKEND)
            session = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
            )
        page: Page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield start
    assert complaints == []


@pytest.fixture
def document(world: World, make_document: Callable[..., Document]) -> Document:  # noqa: F811  # the fixture above
    """A document with a long name and a history."""
    name = "Protokoll der außerordentlichen Aufsichtsratssitzung_" * 3 + ".docx"
    grants = [["members", ["VIEW"]], ["a.very.long.name@partner-organization.example", ["VIEW", "PRINT"]]]
    terms = {"grants": grants, "offline_days": None, "needs_factor": False}
    document = make_document(file_name=name, terms=terms)
    for who, result in (("dave@fabrikam.example", "Success"), ("mallory@fabrikam.example", "AccessDenied")):
        log_opening(document, who, result=result)
    return document


def addresses(world: World, document: Document) -> list[str]:
    template = PolicyTemplate.objects.for_tenant(world.contoso).order_by("created_at")[0]
    group = Group.objects.for_tenant(world.contoso).get()
    claim, _ = DomainClaim.objects.get_or_create(tenant=world.contoso, domain="second.example")
    one = f"/documents/{document.content_id}/"
    today = timezone.now().astimezone(dt.UTC).date()
    incident = incident_of(world, document.key)
    KeyUse.objects.get_or_create(tenant=world.contoso, key=document.key, day=today, protected=3, opened=1204)
    return [
        "/", "/documents/", "/documents/?q=zzz", one, f"{one}revoke/", "/templates/", "/templates/files/", f"/templates/{template.id}/",
        "/people/", f"/people/{world.person('carol').id}/", "/people/import/",
        f"/people/{world.person('carol').id}/merge/?other={world.person('bob').id}", "/groups/", f"/groups/{group.id}/", "/keys/",
        "/keys/roll/", "/keys/export/", "/keys/policy/?stated_age_days=730&bits=2048", f"/keys/{document.key_id}/", "/keys/incidents/", f"/keys/incidents/{incident.id}/", f"/keys/incidents/{incident.id}/steps/revoke/", f"/keys/incidents/{incident.id}/steps/tell/", "/logs/", "/logs/changes/", "/settings/", "/settings/deactivate/", "/settings/roles/",
        "/settings/super-users/", "/settings/protecting/", "/settings/limits/",
        f"{one}access/?person=carol@contoso.example", f"{one}access/change/", f"/templates/{template.id}/what-if/", "/settings/services/", "/profile/devices/", "/settings/edit/",
        "/settings/domains/", f"/settings/domains/{claim.id}/", f"/settings/domains/{claim.id}/remove/",
        "/settings/removal/", "/settings/removal/request/", "/settings/sign-in/", "/settings/sign-in/oidc/", "/settings/sign-in/saml/", "/profile/", "/help/",
        "/accounts/email/", "/accounts/password/change/",
        "/accounts/2fa/", "/accounts/2fa/totp/activate/", "/profile/sessions/", "/settings/security/",
        f"/people/{world.person('carol').id}/reset-factors/", "/identity/o/device", authorize(), "/design/", "/nothing/",
    ]  # fmt: skip


def check(page: Page, where: str, *, look_at: int) -> None:
    """Nothing sideways at any width; nothing serious for axe at the width `look_at`."""
    expect(page.locator("h1")).to_be_visible()
    page.wait_for_load_state()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{where} at {width}"
        if width == look_at:
            found = Axe().run(page).response["violations"]
            serious = [
                (one["id"], one["nodes"][0]["html"])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert serious == [], f"{where} at {width}"


@pytest.mark.looks
@pytest.mark.parametrize(("scheme", "language"), [("light", "de"), ("dark", "en")])
def test_every_page_is_clean(
    live_server: LiveServer, open_page: OpenPage, world: World, document: Document, scheme: str, language: str
) -> None:
    page = open_page("alice", color_scheme=scheme)
    page.context.add_cookies(
        [{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": live_server.url}]
    )
    for address in addresses(world, document):
        response = page.goto(address)
        assert response is not None and response.status == (404 if address == "/nothing/" else 200), address
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("h1")).to_have_count(1)
        check(page, address, look_at=360 if scheme == "light" else 1440)


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_before_sign_in_and_of_a_guest_are_clean(open_page: OpenPage, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    for address in ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"):
        page.goto(address)
        check(page, address, look_at=360 if scheme == "light" else 1440)
    page = open_page("erin", color_scheme=scheme)
    for address in ("/", "/organization/new/"):
        page.goto(address)
        check(page, address, look_at=360 if scheme == "light" else 1440)


def test_with_the_keyboard_alone(open_page: OpenPage, document: Document) -> None:
    page = open_page()
    page.goto("/documents/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("bob@contoso.example")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/documents/")

    expect(page.locator("h1")).to_have_text("Documents")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('table') !== null"):
            break
    focused = page.locator(":focus")
    assert focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none", "the focus can be seen"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/documents/{document.content_id}/")
    expect(page.get_by_role("heading", name="Openings")).to_be_visible()


@pytest.mark.looks
def test_the_navigation_folds_away_on_a_phone(open_page: OpenPage) -> None:
    page = open_page("alice", viewport={"width": 360, "height": 700})
    page.goto("/")
    navigation = page.get_by_role("navigation", name="Main")
    expect(navigation).to_be_hidden()
    page.get_by_role("button", name="Navigation", exact=True).press("Enter")
    expect(navigation).to_be_visible()
    page.keyboard.press("Escape")
    expect(navigation).to_be_hidden()
    expect(page.get_by_role("button", name="Navigation", exact=True)).to_be_focused()
    page.get_by_role("button", name="Navigation", exact=True).click()
    navigation.get_by_role("link", name="People").click()
    expect(page.locator("h1")).to_have_text("People")
    expect(navigation).to_be_hidden()


def test_scheme_and_language_are_switched_from_the_person_menu(open_page: OpenPage) -> None:
    page = open_page("bob", color_scheme="light")
    page.goto("/documents/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="You and your preferences").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("body")).not_to_have_css("background-color", light)
    page.get_by_role("button", name="You and your preferences").click()
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("h1")).to_have_text("Dokumente")
    assert page.url.endswith("/documents/")


def test_a_list_is_searched_without_loading_the_page_anew(
    open_page: OpenPage,
    make_document: Callable[..., Document],  # noqa: F811  # the fixture above
) -> None:
    for name in ("first.pdf", "second.pdf"):
        make_document(file_name=name)
    page = open_page("bob")
    page.goto("/documents/")
    page.evaluate("window.stayed = true")
    page.get_by_role("searchbox").press_sequentially("sec")
    expect(page.get_by_role("link", name="first.pdf")).to_have_count(0)
    expect(page.get_by_role("link", name="second.pdf")).to_be_visible()
    page.wait_for_url(re.compile(r"[?&]q=sec"))
    page.get_by_label("State").select_option("revoked")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    assert page.evaluate("window.stayed") is True
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("sec")


def test_access_is_revoked_and_restored(open_page: OpenPage, document: Document) -> None:
    page = open_page("bob")
    page.goto(f"/documents/{document.content_id}/")
    page.get_by_role("link", name="Revoke access").click()
    page.get_by_label("Reason").fill("Wrong customer")
    page.get_by_role("button", name="Revoke access").click()
    toast = page.locator("[data-toast]")
    expect(toast).to_contain_text("has been revoked")
    page.wait_for_load_state()  # before that, no script hears of clicks
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)
    expect(page.get_by_text("Wrong customer")).to_be_visible()
    page.get_by_role("button", name="Restore access").click()
    expect(page.get_by_role("link", name="Revoke access")).to_be_visible()


def test_a_program_gets_its_code_over_sign_in_and_consent(open_page: OpenPage, world: World) -> None:
    page = open_page()
    page.route("http://127.0.0.1:8765/**", lambda route: route.fulfill(body="back in the program"))
    page.goto(authorize())
    page.get_by_label("Email address").fill("bob@contoso.example")
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Allow", exact=True).click()
    page.wait_for_url(re.compile(r"^http://127\.0\.0\.1:8765/callback\?.*code="))
    expect(page.get_by_text("back in the program")).to_be_visible()


@pytest.mark.looks
def test_small_helps(open_page: OpenPage, document: Document) -> None:
    page = open_page("bob", permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/documents/{document.content_id}/")
    page.get_by_role("button", name=re.compile("^Copy")).click()
    page.wait_for_function(
        "async expected => await navigator.clipboard.readText() === expected", arg=str(document.content_id)
    )
    page.goto("/accounts/password/change/")
    current = page.get_by_label("Current password", exact=True)
    current.fill("secret")
    page.get_by_role("button", name="Show the password").first.click()
    expect(current).to_have_attribute("type", "text")
    page.goto("/design/")
    page.get_by_role("button", name="Open the dialog").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.looks
def test_a_page_is_light_to_load(open_page: OpenPage) -> None:
    page = open_page("alice")
    sizes: list[int] = []
    page.on("response", lambda response: sizes.append(len(response.body())) if response.ok else None)
    page.goto("/", wait_until="networkidle")
    # Uncompressed here: the figure that counts, 100 KB compressed, is far below this.
    assert sum(sizes) < 150_000
    assert page.evaluate(SHIFTED) == 0
