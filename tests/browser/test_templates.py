"""The editor of templates in a real browser: rows, rights that bring others, unsaved changes, the keyboard, axe."""

from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from policies import editing, states
from policies.models import PolicyTemplate
from policies.reading import read_content
from tenants.changes import Actor
from tests.browser.test_portal import OpenPage, check, open_page  # noqa: F401  # a fixture
from tests.conftest import World

pytestmark = pytest.mark.browser
ALICE = Actor("alice@contoso.example")


@pytest.fixture
def template(world: World) -> PolicyTemplate:
    """Published once, with a draft that waits."""
    grants = [
        {"principal": "members", "rights": ["VIEW", "PRINT"]},
        {"principal": "someone.with.a.long.address@a-long-domain.partner.example", "level": "VIEWER"},
    ]
    names = [
        {
            "language": "en",
            "name": "Board papers and everything that goes with them",
            "description": "For the board",
        },
        {"language": "de", "name": "Vorstandsunterlagen mit allen dazugehörigen Anlagen"},
    ]
    rules: dict[str, Any] = {"names": names, "grants": grants}
    made = editing.create_template(world.contoso, read_content(rules, world.contoso), actor=ALICE)
    published = states.publish(made, actor=ALICE)
    changed = rules | {"grants": grants[:1], "expiry": "days", "expires_after_days": 30}
    return editing.save_draft(published, read_content(changed, world.contoso), actor=ALICE)


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_clean(open_page: OpenPage, template: PolicyTemplate, scheme: str) -> None:  # noqa: F811
    page = open_page("alice", color_scheme=scheme)
    one = f"/templates/{template.id}/"
    for address in ("/templates/new/", f"{one}edit/", one, f"{one}publish/", f"{one}versions/", f"{one}versions/1/", f"{one}delete/"):  # fmt: skip
        page.goto(address)
        check(page, address, look_at=360 if scheme == "light" else 1440)


def test_rights_bring_what_they_need_and_changes_are_not_lost(
    open_page: OpenPage,  # noqa: F811
    template: PolicyTemplate,
) -> None:
    page = open_page("alice")
    page.goto(f"/templates/{template.id}/edit/")
    page.get_by_role("button", name="Add a grant").click()
    row = page.locator("[data-grant]").last
    row.get_by_label("Who", exact=True).select_option("anyone")
    expect(row.locator("[data-who]")).to_be_hidden()
    expect(row.locator("[data-rights]")).to_be_hidden()
    row.get_by_label("Level").select_option("CHOSEN")
    row.get_by_role("checkbox", name="Save changes").check()
    expect(row.get_by_role("checkbox", name="Edit the content DOCEDIT")).to_be_checked()
    expect(page.locator("[data-told]")).to_contain_text("Edit the content")
    row.get_by_role("checkbox", name="Open and read").uncheck()
    expect(row.get_by_role("checkbox", name="Save changes")).not_to_be_checked()
    row.get_by_role("checkbox", name="Comment").check()
    stay_when_asked(page)
    page.get_by_role("button", name="Save the draft").last.click()
    page.wait_for_url(f"**/templates/{template.id}/")
    page.goto(f"/templates/{template.id}/edit/")
    leave(page)  # nothing was changed
    draft = PolicyTemplate.objects.get(id=template.id).draft
    assert draft is not None and draft["grants"][1] == {"principal": "anyone", "rights": ["VIEW", "COMMENT"]}


def leave(page: Page) -> None:
    """Leave by a link; nothing may ask first."""
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.once("dialog", answer)
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("h1")).not_to_have_text("Edit the template")
    assert asked == []


def stay_when_asked(page: Page) -> None:
    """Try to leave by a link, be asked, and stay."""
    page.once("dialog", lambda dialog: dialog.dismiss())
    with page.expect_event("dialog") as asked:
        page.get_by_role("link", name="Cancel").click(no_wait_after=True)
    assert asked.value.type == "beforeunload"
    expect(page.locator("h1")).to_have_text("Edit the template")


def test_a_template_with_the_keyboard_alone(open_page: OpenPage, world: World) -> None:  # noqa: F811
    page = open_page("alice")
    page.goto("/templates/new/")
    page.get_by_label("Name (English)").focus()
    page.keyboard.type("Keys only")
    page.keyboard.press("Enter")
    page.wait_for_url("**/templates/*-*/")
    expect(page.locator("h1")).to_have_text("Keys only")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text() == "Review and publish":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/publish/")
    page.get_by_role("button", name="Publish").press("Enter")
    expect(page.get_by_text("Version 1 decides now.")).to_be_visible()
