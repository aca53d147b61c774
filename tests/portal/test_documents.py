"""The documents: finding, seeing who opened, revoking, restoring."""

import datetime as dt

import pytest
from django.utils import timezone

from audit.models import AdminEvent
from tests.conftest import World
from tests.portal.conftest import Browse, MakeDocument, log_opening

pytestmark = pytest.mark.django_db


def test_the_list_is_empty_and_says_what_to_do(browse: Browse) -> None:
    page = browse("bob").get("/documents/").content.decode()
    assert "No documents yet" in page and 'href="/protect/"' in page


def test_everybody_sees_their_own_and_admins_see_all(
    browse: Browse, world: World, make_document: MakeDocument
) -> None:
    make_document(file_name="of-bob.pdf")
    alice = world.person("alice")
    make_document(file_name="of-alice.pdf", issuer=alice, issuer_address=alice.email)

    def listed(name: str, query: str = "") -> set[str]:
        page = browse(name).get(f"/documents/{query}").content.decode()
        return {file for file in ("of-bob.pdf", "of-alice.pdf") if file in page}

    assert listed("bob") == {"of-bob.pdf"}
    assert listed("bob", "?whose=") == {"of-bob.pdf"}
    assert listed("carol") == set()
    assert listed("alice") == {"of-bob.pdf", "of-alice.pdf"}
    assert listed("alice", "?whose=mine") == {"of-alice.pdf"}
    assert listed("mallory") == set()


def test_states_and_search(browse: Browse, make_document: MakeDocument) -> None:
    now = timezone.now()
    make_document(file_name="fresh.pdf", expires_at=now + dt.timedelta(days=1))
    make_document(file_name="old.pdf", expires_at=now - dt.timedelta(days=1))
    make_document(file_name="gone.pdf", expires_at=now - dt.timedelta(days=1), revoked_at=now)
    client = browse("bob")

    def listed(query: str) -> set[str]:
        page = client.get(f"/documents/?{query}").content.decode()
        return {file for file in ("fresh.pdf", "old.pdf", "gone.pdf") if file in page}

    assert listed("state=active") == {"fresh.pdf"}
    assert listed("state=expired") == {"old.pdf"}
    assert listed("state=revoked") == {"gone.pdf"}
    assert listed("state=nonsense") == {"fresh.pdf", "old.pdf", "gone.pdf"}
    assert listed("q=OLD") == {"old.pdf"}
    assert listed("q=bob@contoso") == {"fresh.pdf", "old.pdf", "gone.pdf"}
    assert "Nothing matches" in client.get("/documents/?q=zzz").content.decode()


def test_only_the_rows_are_sent_when_only_they_change(browse: Browse, make_document: MakeDocument) -> None:
    make_document()
    part = (
        browse("bob")
        .get("/documents/", headers={"HX-Request": "true", "HX-Target": "documents"})
        .content.decode()
    )
    assert "plan.pdf" in part and "<html" not in part


def test_names_are_text_never_markup(browse: Browse, make_document: MakeDocument) -> None:
    document = make_document(file_name="<script>alert(1)</script>.pdf", name="<b>x</b>")
    for path in ("/documents/", f"/documents/{document.content_id}/", "/"):
        page = browse("bob").get(path).content.decode()
        assert "<script>alert" not in page and "<b>x</b>" not in page
        assert "&lt;script&gt;alert" in page


def test_openings_are_told_with_who_when_where_and_how(browse: Browse, make_document: MakeDocument) -> None:
    document = make_document()
    log_opening(document, "dave@fabrikam.example")
    log_opening(document, "mallory@fabrikam.example", result="AccessDenied")
    log_opening(make_document(), "somebody@else.example")
    page = browse("bob").get(f"/documents/{document.content_id}/").content.decode()
    for expected in (
        "dave@fabrikam.example",
        "mallory@fabrikam.example",
        "Refused: no rights",
        "203.0.113.9",
    ):
        assert expected in page
    assert "rightskeep 0.1.0 on Linux" in page
    assert "Opened 1 times, refused 1 times." in page
    assert "somebody@else.example" not in page


def test_colleagues_without_a_role_cannot_see_it(browse: Browse, make_document: MakeDocument) -> None:
    document = make_document()
    for path in ("", "revoke/"):
        assert browse("carol").get(f"/documents/{document.content_id}/{path}").status_code == 404
    assert browse("carol").post(f"/documents/{document.content_id}/restore/").status_code == 404


def test_revoking_says_until_when_and_needs_a_reason(browse: Browse, make_document: MakeDocument) -> None:
    document = make_document()
    client, address = browse("bob"), f"/documents/{document.content_id}/revoke/"
    assert "It takes effect at once." in client.get(address).content.decode()
    log_opening(document, "dave@fabrikam.example")
    page = client.get(address).content.decode()
    assert "1 person has opened it." in page and "may stay readable until" in page
    refused = client.post(address, {"reason": "  "})
    assert refused.status_code == 400 and "This field is required" in refused.content.decode()
    document.refresh_from_db()
    assert document.revoked_at is None

    assert (
        client.post(address, {"reason": "Wrong customer"})["Location"] == f"/documents/{document.content_id}/"
    )
    document.refresh_from_db()
    assert (document.revoked_by, document.revocation_reason) == ("bob@contoso.example", "Wrong customer")
    page = client.get(f"/documents/{document.content_id}/").content.decode()
    assert "Wrong customer" in page and "Restore access" in page and "has been revoked" in page
    assert client.get(address).status_code == 302, "revoked already: nothing more to ask"


def test_restoring_undoes_it_and_both_are_logged(
    browse: Browse, world: World, make_document: MakeDocument
) -> None:
    document = make_document(
        revoked_at=timezone.now(), revoked_by="bob@contoso.example", revocation_reason="?"
    )
    client = browse("alice")
    assert client.get(f"/documents/{document.content_id}/restore/").status_code == 405
    client.post(f"/documents/{document.content_id}/restore/")
    document.refresh_from_db()
    assert document.revoked_at is None
    logged = AdminEvent.objects.for_tenant(world.contoso.id).filter(action="RestoreAccess").get()
    assert logged.actor == "alice@contoso.example"


def test_pages_lead_through_all_rows_and_back(browse: Browse, make_document: MakeDocument) -> None:
    for number in range(60):
        make_document(
            file_name=f"file-{number:02}.pdf", published_at=timezone.now() - dt.timedelta(minutes=number // 3)
        )
    client, seen, query = browse("bob"), [], ""
    for _ in range(3):
        page = client.get(f"/documents/?{query}").context["page"]
        seen.append([row.file_name for row in page.rows])
        query = f"after={page.next}"
    assert [len(rows) for rows in seen] == [25, 25, 10]
    assert len({name for rows in seen for name in rows}) == 60
    assert page.next == ""
    back = client.get(f"/documents/?before={page.previous}").context["page"]
    assert [row.file_name for row in back.rows] == seen[1]
    first = client.get(f"/documents/?before={back.previous}").context["page"]
    assert [row.file_name for row in first.rows] == seen[0] and first.previous == ""


@pytest.mark.parametrize("cursor", ["x", "bm9uc2Vuc2U", "WzFd", "W10", "WyJhIiwiYiJd", "A" * 2000])
def test_a_cursor_nobody_issued_is_the_first_page(
    browse: Browse, make_document: MakeDocument, cursor: str
) -> None:
    make_document()
    for name in ("after", "before"):
        response = browse("bob").get(f"/documents/?{name}={cursor}")
        assert response.status_code == 200 and "plan.pdf" in response.content.decode()
