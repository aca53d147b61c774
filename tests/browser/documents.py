"""Documents to protect, and a person who does it in the browser."""

import base64
import io
import random
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Download, Page, expect

from tests.browser.conftest import PATIENCE

MIB = 1024 * 1024
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5"
    "PTgyPC4zNDL/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q=="
)
TEXT = "Grüße aus Köln\n" * 100


def make_pdf(pages: int = 1, *, width: int = 595, height: int = 842) -> bytes:
    """A correct PDF; every page shows its number in large letters, in a font the file does not carry."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(pages))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {pages}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number in range(1, pages + 1):
        content = f"BT /F1 72 Tf 40 {height // 2} Td (Sheet {number}) Tj ET".encode()
        own = 3 + 2 * number
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents {own} 0 R"
            f"/Resources<</Font<</F1 3 0 R>>>>>>".encode()
        )
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % place for place in places)
    out.write(b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def make_docx() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("[Content_Types].xml", '<?xml version="1.0"?><Types/>')
        archive.writestr("word/document.xml", "<w:document>Dear Dave</w:document>" * 50)
    return target.getvalue()


def make_bytes(size: int) -> bytes:
    return random.Random(7).randbytes(size)


class Reader:
    """Somebody signed in at a browser of their own; remembers what the browser complained about."""

    def __init__(self, context: BrowserContext, url: str, folder: Path) -> None:
        self.context, self.url, self.folder = context, url, folder
        self.complaints: list[str] = []
        self.downloads: list[Download] = []
        folder.mkdir()
        self.page = context.new_page()
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("download", lambda download: self.downloads.append(download))
        self.page.set_default_timeout(PATIENCE)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location})")

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def protect(self, files: Iterable[Path], whom: str, level: str) -> list[Path]:
        """Protects files for one person on the page, and returns what the browser saved, in the same order."""
        files = list(files)
        self.downloads.clear()
        self.page.goto(f"{self.url}/protect/")
        self.page.locator("#files").set_input_files(files)
        self.page.get_by_text("For specific people").click()
        self.page.get_by_label("People", exact=True).fill(whom)
        self.page.get_by_label("Level").select_option(label=level)
        self.page.get_by_role("button", name="Protect", exact=True).click()
        done = self.page.locator('[data-part="result-list"] > [data-state="done"]')
        expect(done).to_have_count(len(files))
        # The page is done before the browser has told of the last file it saved.
        while len(self.downloads) < len(files):
            self.page.wait_for_event("download")
        return [self._saved(download) for download in self.downloads]

    def _saved(self, download: Download) -> Path:
        path = self.folder / download.suggested_filename
        download.save_as(path)
        return path

    def open(self, file: Path) -> None:
        """Chooses a protected file on the page and waits for what becomes of it."""
        self.page.goto(f"{self.url}/open/")
        self.page.locator("#files").set_input_files(file)
        self.page.locator("#result-heading").wait_for()

    def save_copy(self) -> bytes:
        with self.page.expect_download() as caught:
            self.page.get_by_role("button", name="Save an unprotected copy").click()
        return self._saved(caught.value).read_bytes()

    @property
    def heading(self) -> Any:
        return self.page.locator("#result-heading")


def document_link(page: Page) -> str:
    """The id of the document protected last, as its link to tracking says."""
    link = page.locator('[data-part="track"]').first.get_attribute("href")
    found = re.search(r"[0-9a-f-]{36}", link or "")
    assert found
    return found.group()
