"""Protecting and opening files in the browser: bob of Contoso for dave of Fabrikam, and mallory who is not meant."""

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from audit.models import UsageEvent
from audit.w3c import parse_file
from tests.browser.documents import (
    JPEG,
    MIB,
    TEXT,
    Reader,
    document_link,
    make_bytes,
    make_docx,
    make_pdf,
)
from tests.conftest import Device, World
from tracking.models import Document
from tracking.revocation import revoke

pytestmark = pytest.mark.browser
DAVE = "dave@fabrikam.example"


@pytest.fixture
def reader(
    live_server: LiveServer, world: World, new_context: Any, tmp_path: Path
) -> Iterator[Callable[..., Reader]]:
    """`reader("bob")`: bob at a browser of his own. In the end no browser may have complained about anything."""
    readers: list[Reader] = []

    def sign_in(name: str, **options: Any) -> Reader:
        client = Client()
        client.force_login(world.person(name))
        context = new_context(**options)
        context.add_cookies(
            [
                {
                    "name": settings.SESSION_COOKIE_NAME,
                    "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
                    "url": live_server.url,
                }
            ]
        )
        readers.append(Reader(context, live_server.url, tmp_path / f"{name}-{len(readers)}"))
        return readers[-1]

    yield sign_in
    assert [complaint for one in readers for complaint in one.complaints] == []


def expect_painted(page: Page, name: str) -> Locator:
    """The canvas of this name, once anything on it is not white; it may be drawn anew while it is looked at."""
    page.wait_for_function(
        """name => {
          const canvas = document.querySelector(`canvas[aria-label="${name}"]`);
          const pixels = canvas?.width && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return pixels && pixels.data.some((value) => value < 128);
        }""",
        arg=name,
    )
    return page.get_by_role("img", name=name, exact=True)


def test_viewer_reads_but_cannot_save(reader: Callable[..., Reader]) -> None:
    bob, dave = reader("bob"), reader("dave")
    saved = bob.protect(
        [
            bob.write("notes.txt", TEXT.encode()),
            bob.write("photo.jpg", JPEG),
            bob.write("plan.pdf", make_pdf(3)),
            bob.write("letter.docx", make_docx()),
        ],
        DAVE,
        "Viewer",
    )
    assert [path.name for path in saved] == ["notes.ptxt", "photo.pjpg", "plan.ppdf", "letter.docx.pfile"]
    notes, photo, plan, letter = saved
    page = dave.page
    save = page.get_by_role("button", name="Save an unprotected copy")

    dave.open(notes)
    expect(dave.heading).to_have_text("notes.txt")
    expect(page.locator(".viewer pre")).to_have_text(TEXT)
    expect(page.get_by_text("Unaltered.")).to_be_visible()
    expect(save).to_be_hidden()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()

    dave.open(photo)
    expect(page.get_by_role("img", name="Picture: photo.jpg")).to_have_js_property("naturalWidth", 1)
    expect(save).to_be_hidden()

    dave.open(plan)
    canvas = expect_painted(page, "Page 1 of 3")
    expect(save).to_be_hidden()
    expect(page.locator(".pdf__text")).to_have_count(0)
    page.emulate_media(media="print")
    expect(canvas).to_be_hidden()
    expect(page.get_by_text("You have no right to print")).to_be_visible()
    page.emulate_media(media="screen")

    dave.open(letter)
    expect(page.get_by_text("you have no right to save an unprotected copy")).to_be_visible()
    expect(save).to_be_hidden()


@pytest.mark.looks
def test_pdf_is_read_by_keyboard_on_a_phone(reader: Callable[..., Reader]) -> None:
    bob, dave = reader("bob"), reader("dave", viewport={"width": 360, "height": 640})
    [plan] = bob.protect([bob.write("plan.pdf", make_pdf(30))], DAVE, "Viewer")
    dave.open(plan)
    page = dave.page
    canvas = page.get_by_role("img", name="Page 1 of 30")
    canvas.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    box = canvas.bounding_box()
    assert box and box["width"] <= 360
    position = page.locator('[data-part="position"]')
    expect(position).to_have_text("Page 1 of 30")
    assert page.locator("canvas").count() < 10  # what is far away is not drawn

    larger = page.get_by_role("button", name="Larger")
    larger.focus()
    for _ in range(9):
        page.keyboard.press("Enter")
    expect(page.get_by_text("400%", exact=True)).to_be_visible()
    expect(larger).to_have_attribute("aria-disabled", "true")
    expect(larger).to_be_focused()
    page.get_by_role("button", name="Fit the width").press("Enter")
    expect(page.get_by_text("100%", exact=True)).to_be_visible()

    scroller = page.get_by_role("group", name="Content")
    scroller.focus()
    page.keyboard.press("End")
    expect(position).to_have_text("Page 30 of 30")
    expect_painted(page, "Page 30 of 30")
    expect(canvas).to_have_count(0)


@pytest.mark.looks
def test_co_owner_has_everything(reader: Callable[..., Reader]) -> None:
    bob, dave = reader("bob"), reader("dave")
    originals = {
        "notes.txt": TEXT.encode(),
        "plan.pdf": make_pdf(3),
        "letter.docx": make_docx(),
        "empty.bin": b"",
        "disk.bin": make_bytes(20 * MIB),
    }
    saved = bob.protect([bob.write(name, data) for name, data in originals.items()], DAVE, "Co-Owner")
    for path, (name, data) in zip(saved, originals.items(), strict=True):
        dave.open(path)
        expect(dave.heading).to_have_text(name)
        assert dave.save_copy() == data, name

    page = dave.page
    dave.open(saved[1])
    expect(page.locator(".pdf__text").first).to_have_text("Sheet 1")
    page.evaluate(
        "window.print = () => {"
        " const pictures = document.querySelectorAll('[data-prepared] .pdf__print');"
        " document.body.dataset.printed = [...pictures].filter((picture) => picture.naturalWidth).length; }"
    )
    page.get_by_role("button", name="Print").click()
    expect(page.locator("body")).to_have_attribute("data-printed", "3")
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".pdf")).to_have_count(0)


@pytest.mark.looks
def test_damaged_pdf_is_said_to_be(reader: Callable[..., Reader]) -> None:
    bob, dave = reader("bob"), reader("dave")
    endless = make_pdf().replace(b"/Count 1>>", b"/Count 999999999>>")
    flat = make_pdf(width=0)
    saved = bob.protect(
        [
            bob.write("noise.pdf", b"%PDF-1.7\n" + make_bytes(5000)),
            bob.write("flat.pdf", flat),
            bob.write("huge.pdf", make_pdf(width=900_000, height=900_000)),
            bob.write("endless.pdf", endless),
        ],
        DAVE,
        "Viewer",
    )
    page = dave.page
    dave.open(saved[0])
    expect(page.get_by_text("This PDF cannot be shown; its data may be damaged.")).to_be_visible()
    for path in saved[1:]:
        dave.open(path)
        shown = page.locator("canvas, .pdf__problem").or_(page.get_by_text("its data may be damaged")).first
        expect(shown).to_be_visible()
        assert page.locator(".pdf__page").count() <= 2000


def test_stranger_is_denied_and_logged(
    reader: Callable[..., Reader], world: World, device: Callable[[str], Device]
) -> None:
    bob, mallory = reader("bob"), reader("mallory")
    [notes] = bob.protect([bob.write("notes.txt", b"not for you")], DAVE, "Viewer")
    mallory.open(notes)
    expect(mallory.heading).to_have_text("You have no access to this document")
    expect(mallory.page.locator('[data-part="stage"]')).to_contain_text("bob@contoso.example")
    assert mallory.page.get_by_text("not for you").count() == 0

    day = UsageEvent.objects.latest("id").time.astimezone(dt.UTC).date()
    response = device("alice").get(f"/api/v1/logs/usage/{day}/")
    assert response.status_code == 200, response.content
    body = b"".join(response) if response.streaming else response.content
    rows = list(parse_file(body.decode().splitlines()))
    content_id = document_link(bob.page)
    assert [
        (row["user-id"], row["result"])
        for row in rows
        if row["request-type"] == "FECreateEndUserLicenseV1" and content_id in str(row)
    ] == [("mallory@fabrikam.example", "AccessDenied")]


def test_altered_file_is_opened_only_when_forced(reader: Callable[..., Reader]) -> None:
    bob, dave = reader("bob"), reader("dave")
    [notes] = bob.protect([bob.write("notes.txt", TEXT.encode())], DAVE, "Viewer")
    data = bytearray(notes.read_bytes())
    data[-40] ^= 1
    notes.write_bytes(data)
    dave.open(notes)
    expect(dave.heading).to_have_text("This document was altered after it was protected")
    expect(dave.page.locator("pre")).to_have_count(0)
    dave.page.get_by_role("button", name="Open it all the same").click()
    expect(dave.page.locator("pre")).to_contain_text("Grüße")
    expect(dave.page.get_by_text("Altered after it was protected")).to_be_visible()


def test_revoked_document_stays_shut(reader: Callable[..., Reader], world: World) -> None:
    bob, dave = reader("bob"), reader("dave")
    [notes] = bob.protect([bob.write("notes.txt", b"withdrawn")], DAVE, "Viewer")
    document = Document.objects.for_tenant(world.contoso).get(content_id=uuid.UUID(document_link(bob.page)))
    revoke(document, actor=world.person("bob"), reason="wrong version")
    dave.open(notes)
    expect(dave.heading).to_have_text("Access to this document was revoked")
    assert dave.page.get_by_text("withdrawn", exact=True).count() == 0


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(reader: Callable[..., Reader], scheme: str) -> None:
    bob, dave = reader("bob", color_scheme=scheme), reader("dave", color_scheme=scheme)
    [plan] = bob.protect([bob.write("plan.pdf", make_pdf())], DAVE, "Co-Author")
    dave.open(plan)
    dave.page.locator("canvas").first.wait_for()
    for page in (bob.page, dave.page):
        found = Axe().run(page)
        serious = [item for item in found.response["violations"] if item["impact"] in ("serious", "critical")]
        assert serious == [], [
            (item["id"], [node["html"][:120] for node in item["nodes"]]) for item in serious
        ]
