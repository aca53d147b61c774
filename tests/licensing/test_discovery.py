"""Service discovery (protocol.md 1.2): which addresses a client is sent to, and which it is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from audit.models import UsageEvent
from tests.conftest import Device, World
from tests.licensing.test_contract import check_error

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "query",
    ["?email=nobody+at%20all@contoso.example", "?service=http://127.0.0.1:8000/t/{contoso}/_wmcs/licensing"],
)
def test_service_discovery(world: World, device: Callable[[str], Device], query: str) -> None:
    response = device("dave").get("/my/v1/servicediscovery" + query.format(contoso=world.contoso.id))
    assert response.status_code == 200
    found = {row["Name"]: row["Uri"] for row in response.json()}
    base = "http://127.0.0.1:8000/my/v1"
    assert found == {
        "templates": f"{base}/templates",
        "publishinglicenses": f"{base}/publishinglicenses",
        "enduserlicenses": f"{base}/enduserlicenses",
        "clientdebuglogs": f"{base}/clientlogs/debug",
        "clientperformancelogs": f"{base}/clientlogs/performance",
    }


@pytest.mark.parametrize(
    ("own", "asked"),
    [
        ("https://rms.example", "https://rms.example:443"),
        ("https://rms.example:443", "https://RMS.example"),
        ("http://rms.example", "http://rms.example:80"),
    ],
)
def test_a_port_that_is_meant_anyway_may_be_written_out(
    world: World, device: Callable[[str], Device], settings: Any, own: str, asked: str
) -> None:
    settings.PUBLIC_URL = own
    address = f"{asked}/t/{world.contoso.id}/_wmcs/licensing"
    assert device("dave").get(f"/my/v2/servicediscovery?service={address}").status_code == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "BadInputException"),
        ("?email=nonsense", "BadInputException"),
        ("?email=x@nowhere.example", "NotSignedUpException"),
        ("?email=x@contoso%00.example", "BadInputException"),
        ("?" + "a&" * 1001, "BadInputException"),
        ("?service=https://rms.elsewhere.example/_wmcs/licensing", "UnrecognizedUrlException"),
        (
            "?service=http://127.0.0.1:8000/t/00000000-0000-0000-0000-000000000000/_wmcs/licensing",
            "UnrecognizedUrlException",
        ),
        ("?service=http://[", "UnrecognizedUrlException"),
        ("?service=http://127.0.0.1:99999/t/x", "UnrecognizedUrlException"),
    ],
)
def test_service_discovery_refusals(
    world: World, device: Callable[[str], Device], query: str, code: str
) -> None:
    check_error(device("bob").get(f"/my/v2/servicediscovery{query}"), 400, code)
    assert UsageEvent.objects.get().result == code
