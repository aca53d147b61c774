"""Any order of protecting, rolling, bringing, holding, disabling, destroying, sealing anew, exporting, losing, recovering and
arriving elsewhere, by the real decision: what should open gives its content key, here and with the package, and nothing else
opens.
"""

import base64

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import DataObject, data, sampled_from

from administration.activation import activate_tenant
from administration.arrival import import_package
from administration.handover import download_package
from administration.removal import continue_removals, request_removal
from keys import importing
from keys.backends import software
from keys.errors import KeyHeldError, KeyRefusedError
from keys.export import approve_export, end_export, request_export
from keys.importing import import_key
from keys.models import WrappingKey
from keys.recovery import bring_back
from rms.errors import SealError
from rms.key_package import read_package
from rms.xrml import open_license, parse_license
from tenants.changes import ChangeRefusedError
from tests.keys.bringing import wrapped_for
from tests.keys.protecting import opening
from tests.keys.test_export import public_pem, recipient
from tests.licensing.key_life import ROLLS, KeyLife
from tests.licensing.key_model import (
    DISABLED,
    UNKNOWN,
    UNUSABLE,
    Handed,
    Key,
    another_server,
    theirs,
    undone,
)

pytestmark = pytest.mark.django_db


class KeyLifeWithPackages(KeyLife):
    """What an organization does with its keys, and with those that it has taken along."""

    @rule(then=sampled_from(["rejected", "kept", "used"]))
    def hand_over(self, then: str) -> None:
        there = {name for name, key in self.keys.items() if key.state != "destroyed" and not key.held}
        if not there:
            with pytest.raises(ChangeRefusedError):
                request_export(self.tenant, public_pem(), reason="Leaving", actor=self.alice)
            return
        export = request_export(self.tenant, public_pem(), reason="Leaving", actor=self.alice)
        with pytest.raises(ChangeRefusedError):
            download_package(export, actor=self.alice)
        if then == "rejected":
            end_export(export, actor=self.bob)
            with pytest.raises(ChangeRefusedError):
                download_package(export, actor=self.alice)
            return
        approve_export(export, actor=self.bob)
        if self.keys[self.active].held:
            with pytest.raises(KeyHeldError):  # nobody signs the package
                download_package(export, actor=self.alice)
        else:
            given = download_package(export, actor=self.alice)
            package = read_package(given)
            assert {name for name, key in package.keys.items() if key.wrapped} == there
            now = {name: Key(key.state, key.held, key.own) for name, key in self.keys.items()}
            self.handed = Handed(
                package, given, now, {name: theirs().open(package.keys[name]) for name in there}
            )
        end_export(export, actor=self.alice)
        if then == "used" and self.handed is not None:
            self.arrive_elsewhere()

    @precondition(lambda self: self.handed is not None)
    @rule()
    def arrive_elsewhere(self) -> None:
        """All is lost here, and the organization comes back from its package. Then as if it had not happened."""
        assert self.handed is not None
        made = self.made
        with undone():
            founder, stranger = self.person("founder", None), self.person("dave", self.other)
            request_removal(self.tenant, reason="Lost", actor=None, grace_days=0)
            assert continue_removals() == 1
            another_server()
            assert {opening(stranger, document.license) for document in self.documents} == {UNKNOWN}
            arrival = import_package(self.handed.data, theirs(), founder=founder)
            activate_tenant(arrival.tenant, actor=founder)
            founder.refresh_from_db()
            another_server()
            for document in self.documents:
                key = self.handed.keys.get(document.sealed_to)
                expected = UNKNOWN if key is None or key.state == "destroyed" else key.shut
                assert opening(founder, document.license) == (expected or document.content_key)
                assert opening(stranger, document.license) != document.content_key
        self.made = made

    @precondition(lambda self: self.recoverable())
    @rule(data=data())
    def lose_and_recover(self, data: DataObject) -> None:
        """The private half of a key is lost here, and comes back from the package; what is destroyed or held does not."""
        assert self.handed is not None
        name = data.draw(sampled_from(self.recoverable()))
        WrappingKey.objects.filter(key=self.record(name)).delete()
        another_server()
        for document in self.documents:
            if document.opens_by == name:
                lost = opening(self.bob, document.license)
                key, by_itself = self.keys[name], self.keys[document.sealed_to]
                if (
                    name == self.active != document.sealed_to
                ):  # sealed anew to it: the license's own key serves
                    assert lost == (by_itself.shut or document.content_key)
                else:
                    assert lost == (DISABLED if key.state == "disabled" else UNUSABLE)
        wrapped = wrapped_for(self.tenant, self.alice, recipient())
        _, changed = bring_back(self.tenant, self.handed.package, wrapped, actor=self.alice)
        assert list(changed) == [name]

    def recoverable(self) -> list[str]:
        opens = self.handed.opens if self.handed is not None else ()
        return [name for name in opens if self.keys[name].state != "destroyed" and not self.keys[name].held]

    @precondition(lambda self: self.handed is not None)
    @rule(data=data())
    def nobody_else_gets_a_key_of_the_package(self, data: DataObject) -> None:
        """Neither another organization nor, once more, the one that it belongs to: also not when it was destroyed."""
        assert self.handed is not None
        name = data.draw(sampled_from(sorted(self.handed.opens)))
        der = theirs().unwrap(self.handed.package.keys[name])
        private = software.load(der, "sha256")._private
        for tenant, actor in ((self.other, self.mallory), (self.tenant, self.alice)):
            with pytest.raises(KeyRefusedError):
                import_key(tenant, wrapped_for(tenant, actor, private), actor=actor)

    @invariant()
    def with_the_package_what_was_handed_over_opens(self) -> None:
        for document in self.documents if getattr(self, "handed", None) else ():
            assert self.handed is not None
            for name, decrypt in self.handed.opens.items():
                if name == document.sealed_to:
                    opened = open_license(parse_license(document.raw), decrypt=decrypt)
                    assert base64.b64encode(opened.content_key.value).decode() == document.content_key
                else:
                    with pytest.raises(SealError):
                        open_license(parse_license(document.raw), decrypt=decrypt)


def test_the_life_of_keys_and_documents(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importing, "IMPORT_BITS", 3072)
    KeyLifeWithPackages.stock = [software.generate(2048) for _ in range(ROLLS + 3)] + [
        software.generate(3072)
    ]
    run_state_machine_as_test(
        KeyLifeWithPackages,
        settings=settings(
            max_examples=15,
            stateful_step_count=15,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
