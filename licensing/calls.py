"""One authenticated call of a device or a page: who, from where, in which language, and its row in the usage log."""

import dataclasses
import ipaddress
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation.trans_real import parse_accept_lang_header

from audit.recording import Usage, record_usage
from tenants.identity import Caller


@dataclass(frozen=True, slots=True)
class Call:
    """The facts of a request that the domain needs; nothing of HTTP beyond this line."""

    caller: Caller
    request_type: str
    correlation_id: str = ""
    c_info: str = ""
    c_ip: str = ""
    languages: tuple[str, ...] = ("en",)
    results: list[str] = dataclasses.field(default_factory=list, repr=False)

    def log(self, result: str, **facts: Any) -> None:
        """Write this call's usage row, committed when outside a transaction, and remember that it was written.

        Without `tenant_id` it goes to the caller's organization, or to the installation's own log when they have none.
        """
        record_usage(
            Usage(
                request_type=self.request_type,
                result=result,
                user_id=self.caller.address,
                person_id=self.caller.id,
                correlation_id=self.correlation_id,
                c_info=self.c_info,
                c_ip=self.c_ip,
                **{"tenant_id": self.caller.tenant_id, **facts},
            )
        )
        self.results.append(result)


def call_from(meta: Mapping[str, Any], caller: Caller, request_type: str) -> Call:
    """Read a call's facts from the WSGI environment of its request."""
    request_id = str(meta.get("HTTP_X_MS_RMS_REQUEST_ID", ""))
    return Call(
        caller=caller,
        request_type=request_type,
        correlation_id=_correlation(request_id),
        c_info=str(meta.get("HTTP_X_MS_RMS_PLATFORM_ID") or meta.get("HTTP_USER_AGENT") or ""),
        c_ip=client_address(str(meta.get("REMOTE_ADDR", "")), str(meta.get("HTTP_X_FORWARDED_FOR", ""))),
        languages=preferred_languages(str(meta.get("HTTP_ACCEPT_LANGUAGE", ""))),
    )


def _correlation(request_id: str) -> str:
    """`{scenario guid};{correlation guid}`: the second is the same in the client's log; our own when there is none."""
    text = request_id.rpartition(";")[2].strip().strip("{}")
    return text if text else str(uuid.uuid4())


@lru_cache(maxsize=1000)
def preferred_languages(header: str) -> tuple[str, ...]:
    """Language tags from an Accept-Language header, most wanted first."""
    return tuple(tag for tag, _ in parse_accept_lang_header(header[:500]) if tag != "*")


def client_address(peer: str, forwarded: str) -> str:
    """The address of the client: forwarded headers are believed from configured proxies only, from the right."""
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and _is_proxy(peer):
        peer = hops.pop()
    return peer


@lru_cache(maxsize=1000)
def _is_proxy(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in ipaddress.ip_network(network, strict=False) for network in settings.TRUSTED_PROXIES)
