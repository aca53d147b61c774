"""Several operations in one request, which may name each other's results (RFC 7644 section 3.7)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from administration.scim.endpoints import Endpoint, required_id
from administration.scim.errors import ScimError, scim_error
from administration.scim.exchange import Query
from administration.scim.resources import MAX_OPERATIONS

_RESPONSE: Final = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_REFERENCE: Final = "bulkId:"
_METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")
# What the answer says of a resource that was written is where it is and its version.
_QUERY: Final = Query(excluded=("groups", "members"))


@dataclass(slots=True)
class _Job:
    """One operation, and its result once there is one."""

    operation: dict[str, Any]
    result: dict[str, Any] | None = None

    @property
    def bulk_id(self) -> str:
        found = self.operation.get("bulkid")
        return found if isinstance(found, str) else ""


class _UnresolvedError(Exception):
    """The operation names the result of one that has not been done."""


def run_bulk(
    body: dict[str, Any],
    endpoint_of: Callable[[str], Endpoint | None],
    unforeseen: Callable[[Exception], ScimError],
) -> dict[str, Any]:
    """Do the operations, each for itself, in an order in which references are known. Raises `ScimError`.

    `unforeseen` makes an answer of an error nobody foresaw: it ends its own operation and no other.
    """
    jobs, limit = _jobs(body), _limit(body)
    known: dict[str, str] = {}
    done: list[_Job] = []
    waiting = jobs
    while waiting and not _over(done, limit):
        later: list[_Job] = []
        for job in waiting:
            if _over(done, limit):
                break
            try:
                job.result = _run(job, known, endpoint_of)
            except _UnresolvedError:
                later.append(job)
                continue
            except Exception as error:  # noqa: BLE001  one operation's failure is that operation's result
                job.result = _failed(job, scim_error(error) or unforeseen(error))
            done.append(job)
        if len(later) == len(waiting):
            for job in later:
                job.result = _failed(
                    job, ScimError(400, "A bulkId is not known in this request.", "invalidValue")
                )
                done.append(job)
            break
        waiting = later
    return {"schemas": [_RESPONSE], "Operations": [job.result for job in jobs if job.result is not None]}


def _jobs(body: dict[str, Any]) -> list[_Job]:
    operations = next((value for key, value in body.items() if key.lower() == "operations"), None)
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise ScimError(400, "A bulk request has a list of Operations.", "invalidSyntax")
    if len(operations) > MAX_OPERATIONS:
        raise ScimError(413, f"A bulk request has at most {MAX_OPERATIONS} operations.")
    return [_Job({key.lower(): value for key, value in item.items()}) for item in operations]


def _limit(body: dict[str, Any]) -> int:
    limit = next((value for key, value in body.items() if key.lower() == "failonerrors"), None)
    if limit is None:
        return MAX_OPERATIONS + 1
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ScimError(400, "failOnErrors is a number from 1.", "invalidValue")
    return limit


def _over(done: list[_Job], limit: int) -> bool:
    return sum(1 for job in done if job.result is not None and "response" in job.result) >= limit


def _run(job: _Job, known: dict[str, str], endpoint_of: Callable[[str], Endpoint | None]) -> dict[str, Any]:
    operation = job.operation
    method = str(operation.get("method", "")).upper()
    if method not in _METHODS:
        raise ScimError(400, "A method is POST, PUT, PATCH or DELETE.", "invalidValue")
    path, version = operation.get("path"), operation.get("version") or ""
    if not isinstance(path, str) or not isinstance(version, str):
        raise ScimError(400, "An operation has a path.", "invalidPath")
    if method == "POST" and not job.bulk_id:
        raise ScimError(400, "A POST has a bulkId.", "invalidValue")
    plural, _, text = path.strip("/").partition("/")
    endpoint = endpoint_of(plural)
    if endpoint is None or bool(text) == (method == "POST"):
        raise ScimError(400, "This path names nothing that can be done in bulk.", "invalidPath")
    data = _resolved(operation.get("data"), known)
    if method != "DELETE" and not isinstance(data, dict):
        raise ScimError(400, "This operation has data.", "invalidValue")
    if method == "POST":
        resource = endpoint.add(data, _QUERY)
        known[job.bulk_id] = resource["id"]
        return _succeeded(job, method, 201, resource["meta"])
    found_id = required_id(_resolved(text, known))
    if method == "DELETE":
        endpoint.remove(found_id, version)
        return _succeeded(job, method, 204, {"location": endpoint.location(found_id)})
    change = endpoint.put if method == "PUT" else endpoint.patch
    return _succeeded(job, method, 200, change(found_id, data, _QUERY, version)["meta"])


def _resolved(value: Any, known: dict[str, str]) -> Any:
    """`value` with every `bulkId:…` replaced by the id it stands for."""
    if isinstance(value, str) and _REFERENCE in value:
        if not value.startswith(_REFERENCE):
            for bulk_id, found_id in known.items():
                value = value.replace(f'"{_REFERENCE}{bulk_id}"', f'"{found_id}"')
            return value
        name = value.removeprefix(_REFERENCE)
        if name not in known:
            raise _UnresolvedError
        return known[name]
    if isinstance(value, dict):
        return {key: _resolved(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, known) for item in value]
    return value


def _succeeded(job: _Job, method: str, status: int, meta: dict[str, Any]) -> dict[str, Any]:
    result = {"method": method, "location": meta["location"], "status": str(status)}
    if job.bulk_id:
        result["bulkId"] = job.bulk_id
    if meta.get("version"):
        result["version"] = meta["version"]
    return result


def _failed(job: _Job, error: ScimError) -> dict[str, Any]:
    method = job.operation.get("method")
    result: dict[str, Any] = {"status": str(error.status), "response": error.body}
    if isinstance(method, str):
        result["method"] = method[:10].upper()
    if job.bulk_id:
        result["bulkId"] = job.bulk_id
    return result
