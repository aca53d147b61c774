"""The header `Idempotency-Key` on requests that create something."""

import functools
import json
import re
from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from administration.idempotency import claim, keep_answer, release
from tenants.identity import Caller

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,255}")
_DESCRIPTION = (
    "1 to 255 printable characters without spaces, new for each thing that is to be created. A request that is repeated "
    "with its key within 24 hours creates nothing again and gets the first answer."
)
Handler = Callable[..., Response]


def created_once(handler: Handler) -> Handler:
    """A `post` that honors `Idempotency-Key` and says so in the schema. The view's `reveals_secret` is respected."""

    @functools.wraps(handler)
    def post(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return handler(view, request, *args, **kwargs)
        if not _KEY.fullmatch(key):
            raise ValidationError(f"{HEADER} has 1 to 255 printable characters without spaces.")
        assert isinstance(request.user, Caller)  # the view's checks came first
        sent = f"POST {request.get_full_path()}"
        record, first = claim(request.user, key, request=sent, body=_body(request))
        if not first:
            return Response(
                json.loads(record.body) if record.body else None,
                status=record.status,
                headers={"Idempotency-Replayed": "true"},
            )
        try:
            response = handler(view, request, *args, **kwargs)
        except Exception:
            release(record)
            raise
        if response.status_code >= 400:
            release(record)
            return response
        body = "" if response.data is None else JSONRenderer().render(response.data).decode()
        keep_answer(record, status=response.status_code, body=body, secret=view.reveals_secret)
        return response

    parameter = OpenApiParameter(HEADER, str, OpenApiParameter.HEADER, description=_DESCRIPTION)
    described: Handler = extend_schema(parameters=[parameter])(post)
    return described


def _body(request: Request) -> bytes:
    """What was sent, as sent; a form with files is known by its fields and the files' names and sizes."""
    if not request.content_type or not request.content_type.startswith("multipart/"):
        return bytes(request._request.body)
    fields = sorted((name, str(value)) for name in request.POST for value in request.POST.getlist(name))
    files = sorted((name, file.name, file.size) for name, file in request.FILES.items())
    return json.dumps([fields, files]).encode()
