"""The independent conformance tester, against the whole service with nothing left out."""

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_models import ScimPolicy, ScimProvider
from scim2_tester import Status, check_server

from portal.wsgi import application
from tests.scim.conftest import Directory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _connection_stays_open() -> Iterator[None]:
    """As Django's own test client does: the requests run in the transaction of the test."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


# What the tester expects and we decide otherwise, with the reason.
EXCUSED = {
    "PATCH modify() did not remove attribute 'active'": "without a word of the directory a person is active, and said to be",
}


def test_an_independent_tester_finds_nothing(contoso: Directory) -> None:
    client = WSGISCIMClient(
        application,
        base_url=f"http://testserver{contoso.base}",
        headers={"Authorization": f"Bearer {contoso.secret}"},
        provider=ScimProvider(policy=ScimPolicy()),
    )
    results = check_server(client)
    failed = [
        f"{result.status.name} {result.resource_type} {result.title}: {result.reason}"
        for result in results
        if result.status in (Status.ERROR, Status.CRITICAL) and result.reason not in EXCUSED
    ]
    assert not failed, "\n".join(failed)
    assert sum(result.status == Status.SUCCESS for result in results) > 40
