"""Organizations whose domains stand in a real name server."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.tenants.dns_server import Zone, serving


@pytest.fixture
def zone(settings: Any) -> Iterator[Zone]:
    with serving() as zone:
        settings.DNS_SERVERS = [zone.address]
        yield zone
