"""As a new administrator would: from sign-up to the first protected file and its first reader, over HTTP, with a name
server and a mail server of our own that are real."""

import email
import email.policy
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from pytest_django.live_server_helper import LiveServer

from rmsclient.cli.main import run
from rmsclient.cli.output import Output
from rmsclient.credentials import SignInStore
from tenants.models import User
from tenants.outbox import send_due
from tests.conftest import PASSWORD, make_token
from tests.operations.running_server import free_port
from tests.tenants.conftest import zone
from tests.tenants.dns_server import Zone

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["zone"]  # the fixture


class Catcher:
    """What the mail server was given: the newest text for each address."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = message.get_body(("plain",))
        for address in envelope.rcpt_tos:
            self.texts[address] = body.get_content() if body else ""
        return "250 OK"


@pytest.fixture
def mail(settings: Any) -> Iterator[Catcher]:
    port = free_port()
    catcher = Catcher()
    server = Controller(catcher, hostname="127.0.0.1", port=port)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", port, False
    yield catcher
    server.stop()


class Browser:
    """Follows redirects, keeps cookies and sends forms with the token of the page they stand on."""

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=address, follow_redirects=True, headers={"Referer": f"{address}/"})

    def read(self, path: str) -> str:
        page = self.http.get(path)
        assert page.status_code == 200, (path, page.status_code)
        return page.text

    def send(self, path: str, on: str = "", **fields: str) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.read(on or path))
        assert token
        page = self.http.post(path, data={"csrfmiddlewaretoken": token[1], **fields})
        assert page.status_code == 200, (path, page.status_code, page.text[-2000:])
        return page.text


def rightskeep(address: str, person: User, home: Path, *arguments: object) -> int:
    environment = {"RIGHTSKEEP_URL": address, "RIGHTSKEEP_TOKEN": make_token(person)}
    output = Output(as_json=False, stdout=io.StringIO(), stderr=io.StringIO())
    return int(run([str(each) for each in arguments], environment, SignInStore(home), output))


def test_from_nothing_to_a_protected_file(
    live_server: LiveServer, settings: Any, zone: Zone, mail: Catcher, tmp_path: Path
) -> None:
    settings.PUBLIC_URL = live_server.url
    ada = Browser(live_server.url)
    ada.send("/accounts/signup/", email="ada@big.example", password1=PASSWORD)
    code = re.search(r"^\s*([A-Z0-9-]{6,9})\s*$", mail.texts["ada@big.example"], re.MULTILINE)
    assert code
    ada.send("/accounts/confirm-email/", code=code[1])
    ada.send("/organization/new/", name="Big")
    page = ada.send("/organization/setup/", domain="big.example")
    record = re.search(r"rightskeep-verification=\w+", page)
    check = re.search(r'action="(/settings/domains/[^"]+/check/)"', page)
    assert record and check
    assert "not there yet" in ada.send(check[1], on="/organization/setup/", then="setup")
    zone.texts["_rightskeep.big.example"] = [record[0]]
    assert "The record was found" in ada.send(check[1], on="/organization/setup/", then="setup")
    ada.send("/settings/activate/", on="/organization/setup/", then="protect")
    ada.send("/people/invite/", addresses="bob@big.example", language="en")
    assert send_due() > 0
    link = re.search(r"/invitation/[\w-]+/", mail.texts["bob@big.example"])
    assert link
    Browser(live_server.url).send(link[0], name="Bob", password=PASSWORD)
    (tmp_path / "plan.txt").write_text("the plan", encoding="utf-8")
    owner, reader = (User.objects.get(email=f"{name}@big.example") for name in ("ada", "bob"))
    template = ("--template", "Big - Confidential")
    assert rightskeep(live_server.url, owner, tmp_path, "protect", tmp_path / "plan.txt", *template) == 0
    protected, opened = tmp_path / "plan.ptxt", tmp_path / "opened.txt"
    assert b"the plan" not in protected.read_bytes()
    assert rightskeep(live_server.url, owner, tmp_path, "unprotect", protected, "--out", opened) == 0
    assert opened.read_text(encoding="utf-8") == "the plan"
    assert rightskeep(live_server.url, reader, tmp_path, "open", protected) == 0
    assert (
        rightskeep(live_server.url, reader, tmp_path, "unprotect", protected, "--out", opened, "--force") == 3
    )
