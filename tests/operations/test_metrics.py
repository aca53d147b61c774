"""What Prometheus is told: the state of the installation, and nothing of who is in it."""

import re
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError

from portal.metrics import Exposition
from tenants.outbox import queue_mail
from tests.conftest import Device, World

pytestmark = pytest.mark.django_db
LINE = re.compile(r'([a-z_]+(?:\{[a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*\})?) (\S+)')


@pytest.fixture(autouse=True)
def _connection_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.metrics.close_old_connections", lambda: None)


def values(exposition: Exposition) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus reads them."""
    found = {}
    for line in exposition.text().splitlines():
        if not line.startswith("# "):
            sample = LINE.fullmatch(line)
            assert sample, line
            found[sample[1]] = float(sample[2])
    return found


def test_the_state_of_the_installation(world: World, device: Callable[[str], Device]) -> None:
    exposition = Exposition()
    values(exposition)  # counting begins with the first look
    license = device("bob").protect_for(("dave@fabrikam.example", ["VIEW"]), FileName="secret-plan.pdf")
    for name in ("dave", "dave", "mallory"):
        device(name).open(license["SerializedPublishingLicense"])
    queue_mail("bob@contoso.example", subject="Contoso", text="Contoso")
    values(exposition)
    told = values(exposition)
    opened = 'rightskeep_device_calls_total{request="FECreateEndUserLicenseV1",result="%s"}'
    assert told[opened % "Success"] == 2 and told[opened % "AccessDenied"] == 1
    assert told['rightskeep_jobs_waiting{job="mail"}'] == 1
    assert told["rightskeep_usage_rows_waiting"] == 4
    assert told['rightskeep_organizations{state="active"}'] == 2
    assert told["rightskeep_documents"] == 1
    assert told['rightskeep_ready{part="database"}'] == told['rightskeep_ready{part="keys"}'] == 1
    text = exposition.text().lower()
    assert not [
        word for word in ("contoso", "fabrikam", "bob", "secret", str(world.contoso.id)) if word in text
    ]


def test_a_database_that_is_down_is_told_and_not_a_failure(world: World, settings: Any) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection refused")

    exposition = Exposition()
    with mock.patch("django.db.backends.utils.CursorWrapper.execute", broken):
        told = values(exposition)
    assert told['rightskeep_ready{part="database"}'] == 0
    assert "rightskeep_documents" not in told and "process_start_time_seconds" in told
