"""SCIM over HTTP: who asks, what is asked, and every failure as a SCIM error."""

import logging
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from scim2_models import Context

from administration.scim.bulk import run_bulk
from administration.scim.endpoints import Endpoint, base_url, is_known_version, required_id
from administration.scim.errors import ScimError, not_found, scim_error
from administration.scim.exchange import answer, query_of, query_of_parameters, read_body
from administration.scim.groups import Groups
from administration.scim.people import People
from administration.scim.resources import CONFIG, PROVIDER
from tenants.models import ScimToken
from tenants.scim_tokens import find_by_secret

P = ParamSpec("P")
ENDPOINTS: Final[dict[str, type[Endpoint]]] = {"Users": People, "Groups": Groups}
_log = logging.getLogger(__name__)
View = Callable[Concatenate[HttpRequest, ScimToken, P], HttpResponse]


def scim_view(*methods: str) -> Callable[[View[P]], Callable[..., HttpResponse]]:
    """A view for directories: bearer token of this very organization, listed methods, errors as SCIM has them."""

    def decorate(view: View[P]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def inner(
            request: HttpRequest, tenant_id: uuid.UUID, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponse:
            # What a directory reads stands in its own log, which knows no language.
            with translation.override("en"):
                try:
                    token = _authenticate(request, tenant_id)
                    if request.method not in methods:
                        response = _error(ScimError(405, "This method is not allowed here."))
                        response["Allow"] = ", ".join(methods)
                        return response
                    return view(request, token, *args, **kwargs)
                except Exception as error:  # noqa: BLE001  the last hand before the wire; what is unknown is logged
                    return _error(scim_error(error) or unforeseen(error))

        return csrf_exempt(inner)

    return decorate


@scim_view("GET")
def service_provider_config(request: HttpRequest, token: ScimToken) -> HttpResponse:
    """What this service can do."""
    return answer(_discovered(CONFIG, token, "ServiceProviderConfig", "ServiceProviderConfig"))


@scim_view("GET")
def resource_types(request: HttpRequest, token: ScimToken, name: str = "") -> HttpResponse:
    """The kinds of resources."""
    found = [(str(kind.id), kind) for kind in PROVIDER.resource_types]
    return _discovery(request, token, found, name, "ResourceType")


@scim_view("GET")
def schemas(request: HttpRequest, token: ScimToken, name: str = "") -> HttpResponse:
    """The attributes of each."""
    return _discovery(
        request, token, [(str(schema.id), schema) for schema in PROVIDER.schemas], name, "Schema"
    )


@scim_view("GET", "POST")
def collection(request: HttpRequest, token: ScimToken, plural: str) -> HttpResponse:
    """List, or make one."""
    endpoint = _endpoint(plural, token)
    query = query_of_parameters(request)
    if request.method == "GET":
        return answer(endpoint.find(query))
    return answer(endpoint.add(read_body(request), query), 201)


@scim_view("POST")
def search(request: HttpRequest, token: ScimToken, plural: str) -> HttpResponse:
    """List, with the question in the body."""
    return answer(_endpoint(plural, token).find(query_of(read_body(request))))


@scim_view("GET", "PUT", "PATCH", "DELETE")
def member(request: HttpRequest, token: ScimToken, plural: str, name: str) -> HttpResponse:
    """One resource."""
    endpoint, found_id = _endpoint(plural, token), required_id(name)
    query, if_match = query_of_parameters(request), request.headers.get("If-Match", "")
    if request.method == "DELETE":
        endpoint.remove(found_id, if_match)
        return answer(None, 204)
    if request.method == "GET":
        found = endpoint.get(found_id, query)
        version = (found.get("meta") or {}).get("version", "")
        if is_known_version(request.headers.get("If-None-Match", ""), version):
            return answer(None, 304)
        return answer(found)
    change = endpoint.put if request.method == "PUT" else endpoint.patch
    return answer(change(found_id, read_body(request), query, if_match))


@scim_view("POST")
def bulk(request: HttpRequest, token: ScimToken) -> HttpResponse:
    """Several operations in one request."""
    made = {plural: kind(token) for plural, kind in ENDPOINTS.items()}
    return answer(run_bulk(read_body(request), made.get, unforeseen))


@scim_view("GET", "POST", "PUT", "PATCH", "DELETE")
def me(request: HttpRequest, token: ScimToken) -> HttpResponse:
    """A directory's token is no person, so there is no “me”."""
    raise ScimError(501, "A directory's token is no person. Ask for /Users.")


@scim_view("POST")
def search_everything(request: HttpRequest, token: ScimToken) -> HttpResponse:
    """People and groups in one answer."""
    raise ScimError(501, "Search /Users or /Groups, one at a time.")


@scim_view("GET", "POST", "PUT", "PATCH", "DELETE")
def nothing(request: HttpRequest, token: ScimToken, path: str = "") -> HttpResponse:
    """Whatever else is asked for."""
    raise not_found()


def unforeseen(error: Exception) -> ScimError:
    """Log what should not have happened; the directory learns no more than that."""
    _log.error("a SCIM request failed", exc_info=error)
    return ScimError(500, "The service has a problem. Try again in a moment.")


def _authenticate(request: HttpRequest, tenant_id: uuid.UUID) -> ScimToken:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    token = find_by_secret(tenant_id, secret.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise ScimError(401, "Send the secret of a SCIM token of this organization as a bearer token.")
    return token


def _endpoint(plural: str, token: ScimToken) -> Endpoint:
    kind = ENDPOINTS.get(plural)
    if kind is None:
        raise not_found()
    return kind(token)


def _discovery(
    request: HttpRequest, token: ScimToken, found: list[tuple[str, Any]], name: str, kind: str
) -> HttpResponse:
    if "filter" in {key.lower() for key in request.GET}:
        raise ScimError(403, "What the service says of itself is not filtered.")
    plural = f"{kind}s"
    rows = [_discovered(item, token, kind, f"{plural}/{found_id}") for found_id, item in found]
    if name:
        one = next(
            (row for (found_id, _), row in zip(found, rows, strict=True) if found_id.lower() == name.lower()),
            None,
        )
        if one is None:
            raise not_found()
        return answer(one)
    return answer(
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": len(rows),
            "startIndex": 1,
            "itemsPerPage": len(rows),
            "Resources": rows,
        }
    )


def _discovered(item: Any, token: ScimToken, kind: str, path: str) -> dict[str, Any]:
    described: dict[str, Any] = item.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    return described | {"meta": {"resourceType": kind, "location": f"{base_url(token.tenant)}/{path}"}}


def _error(error: ScimError) -> HttpResponse:
    response = answer(error.body, error.status)
    if error.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="SCIM"'
    return response
