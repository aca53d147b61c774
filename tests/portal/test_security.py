"""What a browser may do with our pages, and what our pages are made of."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.test import Client

from portal import home
from portal.security import POLICY
from tests.conftest import World
from tests.portal.conftest import Browse

pytestmark = pytest.mark.django_db
TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))


@pytest.mark.parametrize(
    "path", ["/", "/accounts/login/", "/nothing/", "/design/", "/operator/login/", "/people/"]
)
def test_every_page_carries_the_policy(browse: Browse, path: str) -> None:
    for name in ("", "bob"):
        response = browse(name).get(path, follow=True)
        policy = dict(part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))
        assert policy == POLICY
        assert response["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response["X-Frame-Options"] == "DENY" and response["X-Content-Type-Options"] == "nosniff"
        assert "camera=()" in response["Permissions-Policy"]


def test_the_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    assert POLICY["default-src"] == "'none'"
    for name, sources in POLICY.items():
        for source in sources.split():
            assert source in ("'none'", "'self'") or (
                name in ("img-src", "media-src") and source in ("data:", "blob:")
            )


@pytest.mark.parametrize("path", TEMPLATES, ids=[path.name for path in TEMPLATES])
def test_no_template_holds_script_or_style(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert not re.search(r"\|safe\b|autoescape off", text)


def test_what_broke_is_not_told_to_the_browser(browse: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(tenant: object) -> None:
        raise DatabaseError("relation tracking_document does not exist")

    monkeypatch.setattr(home, "_figures", broken)
    response = browse("alice").get("/")
    page = response.content.decode()
    assert response.status_code == 500
    assert "Something broke on our side" in page and "relation" not in page and "Traceback" not in page


def test_a_wrong_host_name_is_refused(world: World) -> None:
    response = Client(raise_request_exception=False, headers={"host": "evil.example"}).get("/")
    assert response.status_code == 400 and "evil.example" not in response.content.decode()


def test_the_operators_site_works_under_the_policy(browse: Browse, world: World) -> None:
    alice = world.person("alice")
    alice.is_staff = alice.is_superuser = True
    alice.save()
    page = browse("alice").get("/operator/").content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=\"", page)
