"""The jobs around keys that may be killed: what each begins with, what is done, what is so at once afterwards, and in the end.

In the end is after beat has swept, or the person who was at it has looked what came of it and gone on.
"""

import base64
import io
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from administration.handover import download_package
from audit.models import AdminEvent
from keys import export as exports
from keys import keeping
from keys.custody import active_key, oidc_signing_key
from keys.importing import hold_key, import_key, make_import_key, restore_key
from keys.models import ImportKey, InstallationKey, KeyVersion, WrappingKey
from keys.rollover import finish_due_rolls
from keys.tasks import tidy_imports
from rms.destruction import read_certificate
from rms.key_package import RecipientKey, read_package
from rms.xrml import open_license, parse_license
from tenants.factors import open_secret, seal_secret
from tenants.models import OutgoingMail, Tenant
from tests.keys.aftermath import (
    again,
    check_open,
    check_shut,
    check_story,
    check_token,
    organization,
    person,
    roll,
)
from tests.keys.aging import let_announcements_pass
from tests.keys.bringing import own_key, own_pem, wrapped_for
from tests.keys.protecting import protect
from tests.keys.test_export import public_pem
from tracking.destruction import approve_destruction, ask_destruction, carry_out_due
from tracking.disabling import disable_key, enable_key
from tracking.models import Destruction, Resealing, SealedCopy
from tracking.resealing import continue_resealings, hanging_on, request_resealing

DISABLED, HELD = "key disabled", "key held"
DESTROYED = "key destroyed"
RECIPIENT = 7  # which of our own keys an export is for


class Destroying:
    """A key is destroyed: on it, a document that the register has sealed to the active key, and one that it has not."""

    @staticmethod
    def prepare() -> Any:
        tenant = organization()
        alice, bob = person(tenant), person(tenant, "bob")
        safe, lost = protect(alice), protect(alice)
        SealedCopy.objects.filter(
            document__content_id=parse_license(base64.b64decode(lost.license)).content_id
        ).delete()
        old = roll(tenant)
        request_resealing(tenant, old, actor=alice)
        assert continue_resealings() == 1
        disable_key(tenant, old, actor=alice)
        approve_destruction(ask_destruction(tenant, old, reason="It leaked", actor=alice), actor=bob)
        Destruction.objects.update(due_at=timezone.now())
        return {"tenant": str(tenant.id), "safe": [safe, protect(alice)], "lost": [lost], "key": str(old.id)}

    @staticmethod
    def act(facts: Any) -> None:
        assert carry_out_due() == 1

    @staticmethod
    def check(facts: Any) -> None:
        tenant = again(facts)
        check_open(tenant, facts["safe"])
        check_shut(tenant, facts["lost"], DISABLED, DESTROYED)
        carry_out_due()
        assert carry_out_due() == 0
        again(facts)
        check_open(tenant, facts["safe"])
        check_shut(tenant, facts["lost"], DESTROYED)
        key, active = KeyVersion.objects.get(id=facts["key"]), active_key(tenant.id)
        assert (key.state, key.sealed_private, keeping.wrapping_of(key)) == ("destroyed", None, None)
        check_token(active.id)
        certificate = read_certificate(Destruction.objects.get(key=key).certificate.encode())
        assert certificate.signed_by == active.fingerprint
        assert certificate.statement["documents_that_open_no_more"] == 1
        check_story(tenant, "DestroyKey", "CertifyKeyDestruction")
        told = OutgoingMail.objects.filter(
            text__contains="has been destroyed", to__endswith=f"{tenant.slug}.example"
        )
        assert told.count() == 2


class SealingAnew:
    """Three documents are sealed to the active key, two at a time."""

    @staticmethod
    def prepare() -> Any:
        tenant = organization()
        documents = [protect(person(tenant)) for _ in range(3)]
        old = roll(tenant)
        request_resealing(tenant, old, actor=person(tenant))
        return {"tenant": str(tenant.id), "documents": documents, "key": str(old.id)}

    @staticmethod
    def act(facts: Any) -> None:
        assert continue_resealings() == 3

    @staticmethod
    def check(facts: Any) -> None:
        check_open(again(facts), facts["documents"])
        continue_resealings()
        assert continue_resealings() == 0
        key = KeyVersion.objects.get(id=facts["key"])
        assert Resealing.objects.get(key=key).documents == 3 and hanging_on([key.id]) == {key.id: 0}
        WrappingKey.objects.filter(key=key).delete()
        if key.kind == "pkcs11":
            keeping._token().destroy(key.id.bytes)
        tenant = again(facts)
        check_open(tenant, facts["documents"])
        check_story(tenant, "ResealDocuments", "DocumentsResealed")


class Switching:
    """A key is disabled and enabled again, by a person who looks what came of it and goes on."""

    @staticmethod
    def prepare() -> Any:
        tenant = organization()
        old = [protect(person(tenant))]
        key = roll(tenant)
        return {
            "tenant": str(tenant.id), "old": old, "new": [protect(person(tenant))], "key": str(key.id)
        }  # fmt: skip

    @staticmethod
    def act(facts: Any) -> None:
        tenant, key = Tenant.objects.get(id=facts["tenant"]), KeyVersion.objects.get(id=facts["key"])
        disable_key(tenant, key, actor=person(tenant))
        enable_key(tenant, key, actor=person(tenant))

    @staticmethod
    def check(facts: Any) -> None:
        tenant, key = again(facts), KeyVersion.objects.get(id=facts["key"])
        check_open(tenant, facts["new"])
        told = list(AdminEvent.objects.for_tenant(tenant.id).filter(target=key.fingerprint).order_by("id"))
        last = told[-1].action if told else ""
        assert key.state == {"DisableKey": "disabled"}.get(last, "archived")
        if last == "DisableKey":
            check_shut(tenant, facts["old"], DISABLED)
        else:
            check_open(tenant, facts["old"])
        if last == "":
            disable_key(tenant, key, actor=person(tenant))
        if last != "EnableKey":
            enable_key(tenant, key, actor=person(tenant))
        check_open(again(facts), facts["old"] + facts["new"])
        check_story(tenant, "DisableKey", "EnableKey")


class Bringing:
    """A customer's key is imported and switched to; the customer tries again with the same file."""

    @staticmethod
    def prepare() -> Any:
        tenant = organization()
        wrapped = wrapped_for(tenant, person(tenant), own_key())
        return {"tenant": str(tenant.id), "old": [protect(person(tenant))], "wrapped": wrapped.hex()}

    @staticmethod
    def act(facts: Any) -> None:
        tenant = Tenant.objects.get(id=facts["tenant"])
        import_key(tenant, bytes.fromhex(facts["wrapped"]), actor=person(tenant))
        let_announcements_pass()
        assert finish_due_rolls() == 1

    @staticmethod
    def check(facts: Any) -> None:
        tenant = again(facts)
        check_open(tenant, facts["old"])
        brought = KeyVersion.objects.for_tenant(tenant).filter(origin="brought")
        if not brought.exists():
            import_key(tenant, bytes.fromhex(facts["wrapped"]), actor=person(tenant))
        let_announcements_pass()
        finish_due_rolls()
        tenant = again(facts)
        assert brought.get().state == "active"
        check_open(tenant, [*facts["old"], list(protect(person(tenant)))])
        check_token(*KeyVersion.objects.for_tenant(tenant).values_list("id", flat=True))
        check_story(tenant, "ImportKey", "ActivateKey")


class Holding:
    """A brought key is held and brought back, by a person who looks what came of it and goes on; beat sweeps in between."""

    @staticmethod
    def prepare() -> Any:
        facts = Bringing.prepare()
        Bringing.act(facts)
        tenant = again(facts)
        wrapped = wrapped_for(tenant, person(tenant), own_key())
        return facts | {"new": [protect(person(tenant))], "wrapped": wrapped.hex()}

    @staticmethod
    def act(facts: Any) -> None:
        tenant = Tenant.objects.get(id=facts["tenant"])
        key = KeyVersion.objects.for_tenant(tenant).get(state="active")
        hold_key(key, actor=person(tenant))
        key.refresh_from_db()
        restore_key(key, bytes.fromhex(facts["wrapped"]), actor=person(tenant))

    @staticmethod
    def check(facts: Any) -> None:
        tenant = again(facts)
        check_open(tenant, facts["old"])
        key, old = KeyVersion.objects.for_tenant(tenant).order_by("origin")  # brought, made
        told = AdminEvent.objects.for_tenant(tenant.id).order_by("id").values_list("action", flat=True)
        last = list(told)[-1]
        assert (key.held_at is not None) is (last == "HoldKey")
        if last == "HoldKey":
            check_shut(tenant, facts["new"], HELD, "The organization keeps its key to itself at the moment.")
        else:
            check_open(tenant, facts["new"])
        if last not in ("HoldKey", "RestoreKey"):
            hold_key(key, actor=person(tenant))
        if last != "RestoreKey":
            tidy_imports()
            check_token(old.id)
            key.refresh_from_db()
            assert (key.sealed_private, keeping.wrapping_of(key)) == (None, None)
            restore_key(key, bytes.fromhex(facts["wrapped"]), actor=person(tenant))
        tidy_imports()
        check_open(again(facts), facts["old"] + facts["new"])
        check_token(old.id, key.id)
        check_story(tenant, "HoldKey", "RestoreKey")


class Exporting:
    """An export is approved and downloaded, by people who look what came of it and go on."""

    @staticmethod
    def prepare() -> Any:
        tenant = organization()
        documents = [protect(person(tenant))]
        roll(tenant)
        documents.append(protect(person(tenant)))
        exports.request_export(
            tenant, public_pem(own_key(RECIPIENT, 3072)), reason="Leaving", actor=person(tenant)
        )
        return {"tenant": str(tenant.id), "documents": documents}

    @staticmethod
    def act(facts: Any) -> None:
        tenant = Tenant.objects.get(id=facts["tenant"])
        export = exports.exports_of(tenant).get()
        exports.approve_export(export, actor=person(tenant, "bob"))
        download_package(export, actor=person(tenant))

    @staticmethod
    def check(facts: Any) -> None:
        tenant = again(facts)
        check_open(tenant, facts["documents"])
        export = exports.exports_of(tenant).get()
        told = AdminEvent.objects.for_tenant(tenant.id)
        assert exports.state_of(export) == (
            "approved" if told.filter(action="ApproveKeyExport") else "waiting"
        )
        if exports.state_of(export) == "waiting":
            exports.approve_export(export, actor=person(tenant, "bob"))
        before = export.downloads
        assert told.filter(action="DownloadKeyExport").count() == before
        package = read_package(download_package(export, actor=person(tenant)))
        recipient = RecipientKey(own_pem(own_key(RECIPIENT, 3072)))
        for license, content_key in facts["documents"]:
            parsed = parse_license(base64.b64decode(license))
            opened = open_license(parsed, decrypt=recipient.open(package.keys[parsed.fingerprint]))
            assert base64.b64encode(opened.content_key.value).decode() == content_key
        check_story(tenant, "RequestKeyExport", "ApproveKeyExport", *["DownloadKeyExport"] * (before + 1))
        mails = OutgoingMail.objects.filter(
            to=person(tenant, "bob").email, subject__contains="export of keys"
        )
        assert mails.count() == 3 + before  # asked, approved, each download


class ChangingKek:
    """The key-encryption key is changed, a value at a time; servers have both meanwhile."""

    OLD, NEW = settings.KEY_ENCRYPTION_KEY, "the new key-encryption key of the tests"

    @staticmethod
    def prepare() -> Any:
        """With one of each kind that is sealed under it: of keys, a key for signing in, an import key, a second factor."""
        tenant = organization()
        make_import_key(tenant, actor=person(tenant))
        oidc_signing_key()
        secret = {"secret": seal_secret("totp")}
        Authenticator.objects.create(user=person(tenant), type="totp", data=secret)
        sealed = keeping.INSTALLATION.get(InstallationKey.objects.get())
        return {"tenant": str(tenant.id), "documents": [protect(person(tenant))], "sealed": sealed.hex()}

    @classmethod
    def act(cls, facts: Any) -> None:
        settings.KEY_ENCRYPTION_KEY, settings.KEY_ENCRYPTION_KEY_PREVIOUS = cls.NEW, cls.OLD
        rotate()

    @classmethod
    def check(cls, facts: Any) -> None:
        settings.KEY_ENCRYPTION_KEY, settings.KEY_ENCRYPTION_KEY_PREVIOUS = cls.NEW, cls.OLD
        cls.check_all_opens(facts)
        rotate()
        assert rotate().startswith("0 values")
        settings.KEY_ENCRYPTION_KEY_PREVIOUS = ""
        cls.check_all_opens(facts)
        runs = AdminEvent.objects.filter(action="RotateKeyEncryptionKey").order_by("-id")
        assert [event.after for event in runs[:1]] == [{"resealed": 0, "lost": 0}]
        settings.KEY_ENCRYPTION_KEY = cls.OLD

    @staticmethod
    def check_all_opens(facts: Any) -> None:
        tenant = again(facts)
        check_open(tenant, facts["documents"])
        assert keeping.INSTALLATION.get(InstallationKey.objects.get()).hex() == facts["sealed"]
        assert open_secret(Authenticator.objects.get().data["secret"]) == "totp"
        assert keeping.IMPORT.get(ImportKey.objects.get())


def rotate() -> str:
    out = io.StringIO()
    call_command("rotate_kek", stdout=out, stderr=io.StringIO())
    return out.getvalue()


JOBS: Any = (Destroying, SealingAnew, Switching, Bringing, Holding, Exporting, ChangingKek)
TOKEN_JOBS: Any = (Destroying, Bringing, Holding)  # what puts into a token or takes out of it
