"""The operators' page on which an organization arrives: looked at first, taken over once, nothing written down."""

import json
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.core.files import uploadedfile, uploadhandler
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from administration.demo import make_person
from audit.models import AdminEvent
from keys.models import KeyVersion
from policies.exchange.exporting import file_of
from policies.exchange.files import JSON, write_file
from policies.models import PolicyTemplate
from rms.key_package import DOCUMENTS, SETTINGS, TEMPLATES, write_package
from rms.key_wrapping import wrap_private_key
from rms.xrml.public_key import PublicKey
from tenants.models import Tenant, User
from tests.administration.test_operator_pages import operator  # noqa: F401  (a fixture)
from tests.conftest import World
from tests.keys.bringing import own_key, own_pem
from tests.keys.test_export import public_pem, recipient

pytestmark = pytest.mark.django_db
PAGE = "/operator/tenants/tenant/arrive/"
NAME = "Zürich & Söhne"


def package_of(world: World, signer: rsa.RSAPrivateKey, **facts: Any) -> bytes:
    """The package of an organization that is elsewhere, with one key and the templates that Contoso has."""
    public = PublicKey.from_numbers(signer.public_key().public_numbers().n)
    name = f"keys/{public.fingerprint}.bin"
    entry = {
        "fingerprint": public.fingerprint, "modulus": f"{public.modulus:x}", "oaep_hash": "sha256", "state": "active",
        "private": name, "absent": None, "created_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    members = {
        name: wrap_private_key(own_pem(signer), public_pem()),
        TEMPLATES: write_file(
            file_of(
                world.contoso,
                PolicyTemplate.objects.for_tenant(world.contoso).with_current(),
                now=timezone.now(),
            ),
            JSON,
        ),
        SETTINGS: json.dumps(
            {"default_language": "de", "languages": ["de"], "max_use_license_days": 9999}
        ).encode(),
        DOCUMENTS: b"[]",
    }
    manifest = {
        "organization": {"id": str(uuid.uuid4()), "name": NAME},
        "recipient": {"fingerprint": PublicKey.from_numbers(recipient().public_key().public_numbers().n).fingerprint},
        "server": "https://elsewhere.example", "export": {"requested_by": "kim@example.org"}, "keys": [entry], **facts,
    }  # fmt: skip
    return write_package(
        manifest, members, signer=public.fingerprint, sign=lambda data: signer.sign(data, padding.PKCS1v15(), hashes.SHA256())
    )  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_is_written_down(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Uploads of more than nothing would go to a file, as large ones do."""
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("An upload was written to a disk.")

    monkeypatch.setattr(uploadhandler, "TemporaryUploadedFile", refuse)
    monkeypatch.setattr(uploadedfile.TemporaryUploadedFile, "__init__", refuse)


def look(client: Client, data: bytes) -> Any:
    return client.post(PAGE, {"package": SimpleUploadedFile("keys.zip", data)})


def take(client: Client, looked: Any, key: bytes, **given: Any) -> Any:
    facts = {
        "packed": looked.context["form"].initial["packed"], "recipient_key": SimpleUploadedFile("key.pem", key),
        "administrator": "new@zurich.example", "name": NAME, **given,
    }  # fmt: skip
    return client.post(PAGE, facts)


def test_looked_at_and_taken_over(world: World, operator: Client):  # noqa: F811
    founder = make_person("new@zurich.example", "New", None, None)
    assert PAGE in operator.get("/operator/tenants/tenant/").content.decode()
    signer = own_key(3)
    data = package_of(world, signer)
    looked = look(operator, data)
    text = looked.content.decode()
    fingerprint = PublicKey.from_numbers(signer.public_key().public_numbers().n).fingerprint
    assert (
        "Zürich &amp; Söhne" in text
        and fingerprint in text.replace("<wbr>", "")
        and "https://elsewhere.example" in text
    )
    assert "1 of 1 arrive" in text and "Contoso - Confidential" in text
    assert not Tenant.objects.filter(name=NAME).exists()

    sealed = recipient().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open"),
    )
    for given, why in (
        ({"password": ""}, "The key has a password."),
        ({"password": "wrong"}, "its password is wrong"),
        ({"name": "Zurich"}, "Type that name"),
        ({"administrator": "alice@contoso.example"}, "belongs to an organization already"),
        ({"administrator": "nobody@zurich.example"}, "Nobody here has proven"),
        ({"recipient_key": SimpleUploadedFile("k", own_pem(own_key())), "password": ""}, "another recipient"),
        ({"recipient_key": SimpleUploadedFile("k", b"x")}, "no private key"),
    ):
        answer = take(operator, looked, sealed, **{"password": "open", **given})
        assert answer.status_code == 400 and why in answer.content.decode(), why
        assert b"PRIVATE KEY" not in answer.content and b'value="open"' not in answer.content
    assert not Tenant.objects.filter(name=NAME).exists()

    done = take(operator, looked, sealed, password="open")
    tenant = Tenant.objects.get(name=NAME)
    assert done.headers["Location"] == f"/operator/tenants/tenant/{tenant.id}/change/"
    founder.refresh_from_db()
    assert founder.tenant == tenant and not tenant.is_active
    assert (tenant.default_language, tenant.max_use_license_days) == ("de", 365)
    assert [key.state for key in KeyVersion.objects.for_tenant(tenant)] == ["archived"]
    row = AdminEvent.objects.for_tenant(tenant.id).get(action="ImportPackage")
    assert row.actor == "operator@rightskeep.example"
    assert row.after is not None and row.after["signed_by"] == fingerprint

    again = look(operator, data)
    assert (
        "on this installation already" in again.content.decode()
        and "recipient_key" not in again.content.decode()
    )
    assert take(operator, looked, sealed, password="open").status_code == 400
    assert Tenant.objects.filter(name=NAME).count() == 1


def test_what_is_no_package(world: World, operator: Client):  # noqa: F811
    data = package_of(world, own_key(3))
    named = package_of(world, own_key(3), organization={"id": "not an id", "name": NAME})
    for bad in (b"PK", data[:-99], data.replace(b"elsewhere", b"elsewhat!"), named):
        answer = look(operator, bad)
        assert answer.status_code == 400 and "packed" not in answer.content.decode()
    assert operator.post(PAGE, {"packed": "?"}).status_code in (200, 400)
    assert not Tenant.objects.filter(name=NAME).exists()


def test_for_operators_with_a_token_only(world: World, operator: Client):  # noqa: F811
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(
        User.objects.get(email="operator@rightskeep.example"),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    assert strict.get(PAGE).status_code == 200
    assert look(strict, package_of(world, own_key(3))).status_code == 403
    watcher = User.objects.create_user("watcher@rightskeep.example", "x", is_staff=True)
    for person, status in ((watcher, 403), (world.person("alice"), 302)):
        client = Client()
        client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
        assert client.get(PAGE).status_code == status
