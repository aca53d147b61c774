"""The JSON API ``/api/v1/``: documents, templates, people, keys, logs, the organization."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import BinaryIO
from urllib.parse import urlencode
from uuid import UUID

from rmsclient.errors import Exit, RefusalError, ServerError
from rmsclient.shapes import Answer, answers, wrong_shape
from rmsclient.times import local_time
from rmsclient.transport import Transport

API = "/api/v1"
_MAX_PAGES = 10_000


class Administration:
    """Calls of ``/api/v1/`` for the person signed in. All raise RefusalError and ServerError.

    Objects are handed on as the server's own JSON (``Record``), checked to be objects: the command
    shows them as they are with ``--json``.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def whoami(self) -> "Record":
        return self._get("/whoami/")

    def documents(self, query: str | None = None) -> Iterator["Record"]:
        return self._pages("/documents/", {"q": query} if query else None)

    def document(self, content_id: UUID) -> "Record":
        return self._of_document("GET", f"/documents/{content_id}/")

    def openings(self, content_id: UUID) -> Iterator["Record"]:
        return self._pages(f"/documents/{content_id}/openings/")

    def revoke(self, content_id: UUID, reason: str) -> "Record":
        return self._of_document("POST", f"/documents/{content_id}/revoke/", {"reason": reason})

    def restore(self, content_id: UUID) -> "Record":
        return self._of_document("POST", f"/documents/{content_id}/restore/", {})

    def templates(self) -> Iterator["Record"]:
        return self._pages("/templates/")

    def template(self, template_id: UUID) -> "Record":
        return self._get(f"/templates/{template_id}/")

    def export_templates(self, form: str, ids: Sequence[UUID], target: BinaryIO) -> int:
        """Copies a file with these templates, all when none is named, to ``target``."""
        query = urlencode([("as", form), *(("id", str(each)) for each in ids)])
        return self._transport.download(f"{API}/templates/export/?{query}", target)

    def import_templates(self, body: Mapping[str, object]) -> "Record":
        """Imports a file once, or says with ``dry_run`` what that would do."""
        path = "/templates/import/"
        return self._post(path, body) if body.get("dry_run") else self.create(path, body)

    def organization(self) -> "Record":
        return self._get("/organization/")

    def activate(self) -> "Record":
        return self._post("/organization/activate/")

    def deactivate(self) -> "Record":
        return self._post("/organization/deactivate/")

    def identity_provider(self) -> "Record":
        return self._get("/identity-provider/")

    def set_identity_provider(self, setup: Mapping[str, object]) -> "Record":
        path = "/identity-provider/"
        return Record(self._transport.send_json("PUT", API + path, dict(setup)), path)

    def use_identity_provider(self, use: str) -> "Record":
        path = "/identity-provider/"
        return Record(self._transport.send_json("PATCH", API + path, {"use": use}), path)

    def remove_identity_provider(self) -> None:
        self._transport.send_json("DELETE", f"{API}/identity-provider/")

    def keys(self) -> Iterator["Record"]:
        return self._pages("/keys/")

    def key(self, key_id: str) -> "Record":
        return self._get(f"/keys/{UUID(key_id)}/")

    def roll_key(self, *, bits: int | None = None, at: str | None = None) -> "Record":
        """Make a new key, of the size and for the time that are named; otherwise the server's size, and at once."""
        asked = {"bits": bits, "at": at}
        return self._post("/keys/roll/", {name: value for name, value in asked.items() if value is not None})

    def make_import_key(self) -> "Record":
        return self._post("/keys/import-key/")

    def bring_key(self, wrapped: str, place: str | None) -> "Record":
        """Hand a wrapped key (Base64) in."""
        return self.create("/keys/import/", {"wrapped": wrapped, **({"place": place} if place else {})})

    def hold_key(self, key_id: str) -> "Record":
        return self._post(f"/keys/{UUID(key_id)}/hold/")

    def restore_key(self, key_id: str, wrapped: str) -> "Record":
        return self._post(f"/keys/{UUID(key_id)}/restore/", {"wrapped": wrapped})

    def log_days(self) -> tuple[date, ...]:
        """The days (UTC) there is a usage log of."""
        value = self._transport.get_json(f"{API}/logs/usage/")
        found = value.get("results") if isinstance(value, dict) else value
        try:
            return tuple(date.fromisoformat(answer.text("day")) for answer in answers(found, "logs"))
        except ValueError:
            raise wrong_shape("logs.day") from None

    def download(self, path: str, target: BinaryIO) -> int:
        return self._transport.download(API + path, target)

    def download_log(self, day: date, target: BinaryIO) -> int:
        return self._transport.download(f"{API}/logs/usage/{day.isoformat()}/", target)

    def download_proof(self, day: date, target: BinaryIO) -> int:
        """The server's signature under a day's log. RefusalError 404: none, because the day may still grow."""
        return self._transport.download(f"{API}/logs/usage/{day.isoformat()}/proof/", target)

    def signing_keys(self) -> object:
        """The keys that the installation signs with: a JSON Web Key Set."""
        return self._transport.get_json("/.well-known/jwks.json")

    def records(self, path: str, params: Mapping[str, str] | None = None) -> Iterator["Record"]:
        """All rows of a list, whether the server pages it or not."""
        return self._pages(path, params)

    def record(self, path: str) -> "Record":
        return self._get(path)

    def create(self, path: str, body: Mapping[str, object]) -> "Record":
        """Create something, once, however often the connection fails on the way."""
        with _usage_for_bad_requests():
            return Record(self._transport.create_json(API + path, dict(body)), path)

    def post(self, path: str, body: Mapping[str, object] | None = None) -> "Record":
        return self._post(path, body)

    def change(self, method: str, path: str, body: Mapping[str, object]) -> "Record":
        """PUT or PATCH."""
        with _usage_for_bad_requests():
            return Record(self._transport.send_json(method, API + path, dict(body)), path)

    def remove(self, path: str) -> None:
        with _usage_for_bad_requests():
            self._transport.send_json("DELETE", API + path)

    def _get(self, path: str) -> "Record":
        return Record(self._transport.get_json(API + path), path)

    def _post(self, path: str, body: Mapping[str, object] | None = None) -> "Record":
        try:
            return Record(self._transport.post_json(API + path, dict(body or {})), path)
        except RefusalError as refusal:
            if refusal.status == 400:
                refusal.exit_code = Exit.USAGE
            raise

    def _of_document(self, method: str, path: str, body: Mapping[str, object] | None = None) -> "Record":
        try:
            return self._get(path) if method == "GET" else self._post(path, body)
        except RefusalError as refusal:
            raise _unknown_document(refusal) from refusal

    def _pages(self, path: str, params: Mapping[str, str] | None = None) -> Iterator["Record"]:
        """All rows of a list, page by page. The link to the next page must stay on the same server."""
        page = self._first_page(path, params)
        for _ in range(_MAX_PAGES):
            if isinstance(page, list):  # a list the server does not page
                yield from (Record(row, path) for row in page)
                return
            answer = Answer(page, path)
            rows = page.get("results") if isinstance(page, dict) else None
            if not isinstance(rows, list):
                raise wrong_shape(f"{path}results")
            yield from (Record(row, path) for row in rows)
            following = answer.optional_text("next")
            if not following:
                return
            page = self._transport.get_json(self._own_path(following))
        raise ServerError("answer_too_large", "The server's list does not end.")

    def _first_page(self, path: str, params: Mapping[str, str] | None) -> object:
        try:
            return self._transport.get_json(API + path, params)
        except RefusalError as refusal:
            raise (_unknown_document(refusal) if path.startswith("/documents/") else refusal) from refusal

    def _own_path(self, url: str) -> str:
        base = self._transport.server.url + "/"
        if not url.startswith(base):
            raise wrong_shape("next")
        return url[len(base) - 1 :]


class Record(Answer):
    """One object of ``/api/v1/`` with its JSON."""

    def __init__(self, value: object, where: str) -> None:
        super().__init__(value, where)
        assert isinstance(value, dict)  # what Answer checked, for JSON
        self.json: dict[str, object] = value

    def records(self, name: str) -> list["Record"]:
        """A list of objects; empty when absent."""
        value = self.json.get(name)
        return [Record(each, name) for each in value] if isinstance(value, list) else []

    def record(self, name: str) -> "Record | None":
        """An object within this one; None when it is absent."""
        value = self.json.get(name)
        return Record(value, name) if isinstance(value, dict) else None

    def shown(self, name: str) -> str:
        """A member for people: text, number, yes or no; empty when absent."""
        value = self.json.get(name)
        if isinstance(value, bool):
            return "yes" if value else "no"
        return str(value) if isinstance(value, str | int) else ""

    def local_time(self, name: str) -> str:
        """A time in the local zone, to the minute; empty when absent."""
        moment = self.optional_moment(name)
        return local_time(moment) if moment else ""


@contextmanager
def _usage_for_bad_requests() -> Iterator[None]:
    """What the server does not take as asked is the caller's to correct."""
    try:
        yield
    except RefusalError as refusal:
        if refusal.status in (400, 404, 409):
            refusal.exit_code = Exit.USAGE
        raise


def _unknown_document(refusal: RefusalError) -> RefusalError:
    if refusal.status == 404:
        unknown = RefusalError(
            404, "no_such_document", "There is no such document among those you may track."
        )
        unknown.exit_code = Exit.NO_RIGHTS
        return unknown
    return refusal
