"""bob protects for a partner and for somebody of no organization; both open with exactly the rights granted."""

from collections.abc import Callable

import pytest

from audit.models import UsageEvent
from rms.rights import ALL_RIGHTS
from tests.conftest import Device, World

pytestmark = pytest.mark.django_db


def test_across_organizations(world: World, device: Callable[[str], Device]) -> None:
    bob = device("bob")
    published = bob.protect_for(
        ("dave@fabrikam.example", ["VIEW", "PRINT"]),
        ("Erin@Individual.example", ["VIEW"]),
        FileName="plan.pdf",
    )
    license = published["SerializedPublishingLicense"]
    dave, erin = device("dave").open(license), device("erin").open(license)
    assert dave["AccessStatus"] == erin["AccessStatus"] == "AccessGranted"
    assert dave["Rights"] == ["VIEW", "PRINT"]
    assert erin["Rights"] == ["VIEW"]
    assert dave["Key"] == erin["Key"] == published["Key"]
    assert "Policy" not in erin
    assert tuple(bob.open(license)["Rights"]) == ALL_RIGHTS
    refused = device("mallory").open(license)
    assert refused == {
        "AccessStatus": "AccessDenied", "Id": published["Id"], "Name": published["Name"], "Referrer": "", "Rights": [],
    }  # fmt: skip
    last = UsageEvent.objects.order_by("-id")[0]
    assert (last.tenant_id, last.user_id, last.result) == (
        world.contoso.id,
        "mallory@fabrikam.example",
        "AccessDenied",
    )
    assert last.file_name == "plan.pdf"
    assert UsageEvent.objects.for_tenant(world.fabrikam.id).count() == 0
