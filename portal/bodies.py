"""Request bodies of unknown length: sent in chunks (`Transfer-Encoding: chunked`), or by HTTP/2 without a length.

Django reads as much as `Content-Length` says and takes everything else for empty. So such a body is read here and
measured; from there on it is a body like any other, and the same limits find it too long.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.conf import settings

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_CHUNK: Final = 256 * 1024
# Read so far even when it is refused, so that the client sees the answer and not a broken connection; not for ever.
_LONGEST_READ: Final = 128 * 1024 * 1024


def measuring(application: Application) -> Application:
    """The WSGI application with every body measured."""

    def measured(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if _length_is_unknown(environ):
            _measure(environ)
        return application(environ, start_response)

    return measured


def _length_is_unknown(environ: dict[str, Any]) -> bool:
    if not environ.get("wsgi.input_terminated"):
        return False  # a server whose input has no end of its own: reading on would wait for ever
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return True  # then a length, if one was sent as well, counts for nothing (RFC 9112, 6.3)
    return not environ.get("CONTENT_LENGTH") and environ.get("SERVER_PROTOCOL", "").startswith("HTTP/2")


def _measure(environ: dict[str, Any]) -> None:
    """Keep what may be sent at all; of what is longer only the length tells, and the limits refuse it by that."""
    source, kept, length = environ["wsgi.input"], io.BytesIO(), 0
    while length < _LONGEST_READ and (chunk := source.read(_CHUNK)):
        length += len(chunk)
        if length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            kept.write(chunk)
    kept.seek(0)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = kept, str(length)
