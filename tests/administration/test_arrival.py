"""From one installation to another: a key export arrives where nothing but the package is known, and files open there.

The other installation is a process of its own, with its own data directory, database and key-encryption key.
"""

import base64
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from administration.activation import OrganizationError
from administration.arrival import import_package
from administration.demo import make_person
from administration.handover import download_package
from keys import export as exports
from keys.custody import active_key
from keys.errors import KeyRefusedError
from keys.models import KeyVersion
from policies.models import PolicyTemplate
from rms.content_key import CipherMode, ContentKey
from rms.key_package import PackageError, RecipientKey, read_package, write_package
from rms.protection import inspect, unprotect
from rms.xrml import parse_license
from tenants.models import Tenant, User
from tests.conftest import Device, World
from tests.keys.bringing import own_key, own_pem
from tests.keys.test_export import (
    CONTENT,
    ask,
    protected_file,
    recipient,
    roll,
    second,  # noqa: F401  (a fixture)
)
from tests.operations.running_server import PATIENCE, ROOT, environment
from tracking.models import Document
from tracking.revocation import revoke

pytestmark = pytest.mark.django_db

ELSEWHERE = """
import base64, json, sys
from django.core.management import call_command
from django.test import Client

call_command("migrate", verbosity=0)
from administration.activation import activate_tenant
from administration.demo import make_person
from keys.custody import active_key
from keys.errors import KeyRefusedError
from keys.models import KeyVersion
from policies.models import PolicyTemplate
from tenants import super_users
from tenants.changes import Actor
from tenants.models import Tenant
from tests.conftest import make_token

admin = make_person("admin@contoso.example", "Admin", None, None)
dave = make_person("dave@fabrikam.example", "Dave", None, None)
erin = make_person("erin@individual.example", "Erin", None, None)
call_command("import_key_package", "keys.zip", "--recipient-key", "recipient.pem", "--admin", admin.email, stdout=sys.stderr)
contoso = Tenant.objects.get()
admin.refresh_from_db()
bob = make_person("bob@contoso.example", "Bob", None, contoso)
licenses = json.load(open("licenses.json"))


def open_as(person, license):
    token = make_token(person)
    answer = Client(SERVER_NAME="localhost").post("/my/v2/enduserlicenses", json.dumps({"SerializedPublishingLicense": license}),
        content_type="application/json", headers={"Authorization": f"Bearer {token}"})
    body = answer.json()
    return [body.get("AccessStatus", answer.status_code), body.get("Key", {}).get("Value", "")]


def everybody():
    people = {"admin": admin, "bob": bob, "dave": dave, "erin": erin}
    return {f"{name} {document}": open_as(person, license) for name, person in people.items() for document, license in licenses.items()}


before = everybody()
activate_tenant(contoso, actor=admin)
from tenants.freshness import forget_facts
forget_facts()
after = everybody()
super_users.set_feature(contoso, enabled=True, actor=Actor.of(admin))
super_users.appoint(contoso, user=admin, reason="Arrived", actor=Actor.of(admin))
forget_facts()
states = sorted(KeyVersion.objects.values_list("state", flat=True))
templates = {str(one.id): one.state for one in PolicyTemplate.objects.all()}
print(json.dumps({"id": str(contoso.id), "before": before, "after": after, "by power": everybody(), "states": states, "templates": templates}))
"""


def test_documents_open_at_another_installation(
    world: World,
    device: Callable[[str], Device],
    second: User,  # noqa: F811
    tmp_path: Path,
):
    bob = device("bob")
    given = protected_file(bob, world.contoso, tmp_path / "given.ptxt")
    template = PolicyTemplate.objects.for_tenant(world.contoso).order_by("position")[0]
    by_template = bob.publish({"TemplateId": str(template.id)})["SerializedPublishingLicense"]
    withdrawn = bob.protect_for(("dave@fabrikam.example", ["VIEW"]))["SerializedPublishingLicense"]
    content_id = parse_license(base64.b64decode(withdrawn)).content_id
    revoke(Document.objects.get(content_id=content_id), actor=world.person("bob"), reason="Wrong file")
    roll(world)
    later = bob.protect_for(("dave@fabrikam.example", ["VIEW"]))["SerializedPublishingLicense"]
    export = ask(world)
    exports.approve_export(export, actor=second)
    (tmp_path / "keys.zip").write_bytes(download_package(export, actor=second))
    (tmp_path / "recipient.pem").write_bytes(own_pem(recipient()))
    with given.open("rb") as stream:
        license = base64.b64encode(inspect(stream).file.license).decode()
    licenses = {"given": license, "by template": by_template, "withdrawn": withdrawn, "later": later}
    (tmp_path / "licenses.json").write_text(json.dumps(licenses))

    there = elsewhere(tmp_path)
    assert there["id"] == str(world.contoso.id)
    assert there["states"] == ["active", "archived", "archived"]
    assert there["templates"][str(template.id)] == "archived"
    assert not any(status == "AccessGranted" for status, _ in there["before"].values())
    granted = {who for who, (status, _) in there["after"].items() if status == "AccessGranted"}
    # By address and by membership; bob, who protected them all, is nobody's issuer there.
    assert granted == {"dave given", "dave later", "bob by template", "admin by template"}
    powerful = {who for who, (status, _) in there["by power"].items() if status == "AccessGranted"}
    assert powerful - granted == {"admin given", "admin later", "admin withdrawn"}
    key = ContentKey(base64.b64decode(there["after"]["dave given"][1]), CipherMode.CBC4K)
    opened = io.BytesIO()
    with given.open("rb") as stream:
        unprotect(stream, opened, key=key)
    assert opened.getvalue() == CONTENT


def elsewhere(folder: Path) -> Any:
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "shell", "--no-imports", "-c", ELSEWHERE],
        cwd=folder,
        env={**environment(folder / "data"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_what_does_not_arrive(world: World, second: User):  # noqa: F811
    """Into the same installation, for somebody of an organization, with another key: nothing of it happens."""
    export = ask(world)
    exports.approve_export(export, actor=second)
    data = download_package(export, actor=second)
    mine, founder = RecipientKey(own_pem(recipient())), make_person("new@contoso.example", "New", None, None)
    before = (Tenant.objects.count(), KeyVersion.objects.count())
    with pytest.raises(OrganizationError, match="on this installation already"):
        import_package(data, mine, founder=founder)
    with pytest.raises(OrganizationError, match="belongs to an organization"):
        import_package(data, mine, founder=world.person("alice"))
    with pytest.raises(PackageError, match="another recipient"):
        import_package(data, RecipientKey(own_pem(own_key())), founder=founder)
    # The same keys under another name: the installation has them already.
    package = read_package(data)
    facts = {**package.manifest, "organization": {"id": str(founder.id), "name": "Others"}}
    facts = {name: value for name, value in facts.items() if name not in ("members", "signed_by")}
    signer = active_key(world.contoso.id)
    forged = write_package(facts, package.members, signer=signer.fingerprint, sign=signer.sign)
    with pytest.raises(KeyRefusedError, match="known already"):
        import_package(forged, mine, founder=founder)
    assert (Tenant.objects.count(), KeyVersion.objects.count()) == before
    founder.refresh_from_db()
    assert founder.tenant is None
