"""Single sign-on of an organization: how its identity provider is set up, and whose sign-in goes there.

The provider speaks for the organization's proven domains and for nothing else; the domains are looked at again each time
(`tenants.sign_on`). A change of the set-up has to be tried before it can be the only way in.
"""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Final

from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.recording import record_admin
from rms.errors import SealError
from tenants import provider_metadata
from tenants.domain_names import canonical_address
from tenants.fetching import FetchError, get_bytes
from tenants.identity import domain_of
from tenants.membership import roles_of
from tenants.models import IdentityProvider, RoleAssignment, Tenant, User, VerifiedDomain
from tenants.notices import tell_administrators
from tenants.provider_metadata import MetadataError
from tenants.sealing import SealedColumn
from tenants.second_sight import check_seen_by_two, waits_for_second
from tenants.sign_on_reasons import SignOnRefusedError

Kind, Use = IdentityProvider.Kind, IdentityProvider.Use
_PURPOSE = "identity-provider"
_SAME_ERROR = dt.timedelta(minutes=10)
_REFRESH = dt.timedelta(minutes=5)


class SignOnSettingsError(Exception):
    """Single sign-on cannot be set up as asked; the text is for people."""

    code = "sign_on_settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an admin enters. Of OpenID Connect: issuer, client id and secret; of SAML: an address or the metadata."""

    kind: str
    name: str
    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    metadata_url: str = ""
    metadata: bytes = b""
    creates_accounts: bool = True
    trust_addresses: bool = False


def find_provider(tenant: Tenant) -> IdentityProvider | None:
    return IdentityProvider.objects.for_tenant(tenant).select_related("tenant").first()


def provider_by_id(provider_id: uuid.UUID) -> IdentityProvider | None:
    """The provider a browser was sent to and came back from. Its id is the one thing in an address that names it."""
    return IdentityProvider.objects.select_related("tenant").filter(id=provider_id).first()


def provider_for_address(address: str) -> IdentityProvider | None:
    """Where the person with `address` may sign in: the provider in use of the organization that has proven the domain."""
    proof = VerifiedDomain.objects.filter(domain=domain_of(address.strip())).first()
    if proof is None:
        return None
    return (
        IdentityProvider.objects.select_related("tenant")
        .filter(tenant_id=proof.tenant_id)
        .exclude(use=Use.OFF)
        .first()
    )


def enforced_for_address(address: str) -> IdentityProvider | None:
    """The provider that is the only way in for `address`."""
    provider = provider_for_address(address)
    return provider if provider and provider.use == Use.ENFORCED else None


def enforced_for(person: User) -> IdentityProvider | None:
    """The provider that is the only way in for `person`, by whichever address they come.

    It binds those whom it can vouch for: members with an address in a proven domain, and people of no organization who
    sign in by such an address, who join by that. Global administrators keep their password as well: the way back in
    when the identity provider is out of order.
    """
    provider = _enforced_provider(person)
    return None if provider is None or _is_global_admin(person) else provider


def note_sign_in_beside(person: User) -> None:
    """Log that a global administrator signed in without the provider that is the only way in for everybody else."""
    provider = _enforced_provider(person)
    if provider is not None:
        record_admin(
            tenant_id=provider.tenant_id, actor=person.email, actor_id=person.id, action="SignInBesideSignOn",
            target=provider.name, target_id=provider.id,
        )  # fmt: skip


def _enforced_provider(person: User) -> IdentityProvider | None:
    if person.tenant_id is None:
        return None if person.is_staff or person.is_superuser else enforced_for_address(person.email)
    provider = IdentityProvider.objects.select_related("tenant").filter(
        tenant_id=person.tenant_id, use=Use.ENFORCED
    ).first()  # fmt: skip
    return provider if provider is not None and _vouched_for(person, provider.tenant_id) else None


def _is_global_admin(person: User) -> bool:
    return RoleAssignment.Role.GLOBAL_ADMIN in roles_of(person)


def _vouched_for(person: User, tenant_id: uuid.UUID) -> bool:
    proven = set(VerifiedDomain.objects.filter(tenant_id=tenant_id).values_list("domain", flat=True))
    addresses = {person.email, *person.emailaddress_set.values_list("email", flat=True)}
    return any(domain_of(address) in proven for address in addresses)


def configure(tenant: Tenant, setup: Setup, *, actor: User) -> IdentityProvider:
    """Set single sign-on up, or anew; it reads the provider's metadata over the network.

    Whatever was in use stays so, except that the only way in becomes one way again until the new set-up was tried; where
    the organization demands a second administrator, it is off until that one puts it into use (`second_sight`). Bindings
    of people end when another provider speaks. Raises `SignOnSettingsError`, `MetadataError` and `FetchError`.
    """
    name = " ".join(setup.name.split())
    if not 1 <= len(name) <= 40:
        raise SignOnSettingsError(_("The name has 1 to 40 characters."))
    facts = _facts(setup, find_provider(tenant))
    with transaction.atomic():
        Tenant.objects.select_for_update().get(id=tenant.id)
        provider = find_provider(tenant) or IdentityProvider(tenant=tenant, kind=setup.kind)
        before = describe(provider) if not provider._state.adding else None
        secret = setup.client_secret or _kept_secret(provider, setup, facts)
        changed = before is None or provider.kind != setup.kind or _differs(provider.settings, facts)
        trusts_more = setup.trust_addresses and not provider.settings.get("trust_addresses")
        changed = changed or bool(setup.client_secret) or trusts_more
        if before is not None and _speaker(provider.settings) != _speaker(facts):
            SocialAccount.objects.filter(provider=str(provider.id)).delete()
        provider.kind, provider.name, provider.creates_accounts = setup.kind, name, setup.creates_accounts
        provider.settings = {**facts, "trust_addresses": setup.trust_addresses}
        provider.sealed_secret, provider.kek_id = b"", ""
        if secret:
            SECRET.put(provider, secret.encode())
        if changed:
            provider.tested_at, provider.last_error, provider.last_error_at = None, "", None
            provider.use = Use.OPTIONAL if provider.use == Use.ENFORCED else provider.use
            provider.use = Use.OFF if tenant.needs_approval else provider.use
            waits = provider.use == Use.OFF
            provider.set_up_by_id, provider.set_up_at = (actor.id, timezone.now()) if waits else (None, None)
        provider.save()
        _log(
            provider,
            actor,
            "ConfigureSignOn",
            before,
            {**describe(provider), "secret_changed": bool(setup.client_secret)},
        )
        if changed and waits_for_second(provider):
            _tell(provider, actor, _("%(actor)s set single sign-on of %(organization)s up anew: %(name)s.\n\nWhat this provider says opens any account of your organization, so it is off until another global administrator has looked at it and puts it into use: %(service)s/settings/sign-in/\n"))  # fmt: skip
        elif changed:
            _tell(provider, actor, _("%(actor)s set single sign-on of %(organization)s up anew: %(name)s.\n\nWhat this provider says opens any account of your organization. If you did not expect this, look at %(service)s/settings/sign-in/\n"))  # fmt: skip
    return provider


def _facts(setup: Setup, known: IdentityProvider | None) -> dict[str, Any]:
    """The public facts of what was entered, read from where the provider publishes them."""
    if setup.kind == Kind.OPENID_CONNECT:
        client_id = setup.client_id.strip()
        if not client_id or not setup.issuer.strip():
            raise SignOnSettingsError(_("Enter the issuer and the client ID."))
        return {**provider_metadata.discover(setup.issuer), "client_id": client_id[:191]}
    if setup.kind != Kind.SAML:
        raise SignOnSettingsError(_("Choose OpenID Connect or SAML."))
    url = setup.metadata_url.strip()
    if setup.metadata:
        return {**provider_metadata.read_saml(setup.metadata), "metadata_url": ""}
    if url:
        return {**provider_metadata.read_saml(get_bytes(url)), "metadata_url": url}
    if known is not None and known.kind == Kind.SAML:
        return {name: value for name, value in known.settings.items() if name != "trust_addresses"}
    raise SignOnSettingsError(_("Enter the address of the metadata, or upload it."))


def _kept_secret(provider: IdentityProvider, setup: Setup, facts: dict[str, Any]) -> str:
    """The secret there was, where it goes to the very provider it was entered for; nothing for SAML."""
    if setup.kind != Kind.OPENID_CONNECT:
        return ""
    known = provider.settings
    if not provider.sealed_secret or known.get("issuer") != facts["issuer"]:
        raise SignOnSettingsError(_("Enter the client secret."))
    try:
        return client_secret(provider)
    except SignOnRefusedError as error:
        raise SignOnSettingsError(_("Enter the client secret.")) from error


def _speaker(facts: dict[str, Any]) -> str:
    """Who issues the identifiers that people are bound to."""
    return str(facts.get("issuer") or facts.get("entity_id") or "")


def _differs(known: dict[str, Any], facts: dict[str, Any]) -> bool:
    return any(known.get(name) != value for name, value in facts.items() if name != "read_at")


def set_use(provider: IdentityProvider, use: str, *, actor: User) -> None:
    """Switch single sign-on off, offer it, or make it the only way in. Raises `SignOnSettingsError`, `ChangeRefusedError`.

    The only way in needs a sign-in that went well with the set-up as it is, and a global administrator with a password:
    an identity provider that is out of order must not lock an organization out.
    """
    with transaction.atomic():
        locked = IdentityProvider.objects.select_for_update().get(id=provider.id)
        if use not in Use.values:
            raise SignOnSettingsError(_("Choose one of the three."))
        if use == Use.ENFORCED and locked.tested_at is None:
            raise SignOnSettingsError(
                _("Test the sign-in first; it has to go well once before it can be the only way in.")
            )
        if use != Use.OFF and not VerifiedDomain.objects.for_tenant(provider.tenant).exists():
            raise SignOnSettingsError(
                _("Prove a domain first: an identity provider speaks for your domains only.")
            )
        if use != Use.OFF:
            check_seen_by_two(locked, actor)
            locked.set_up_by_id = locked.set_up_at = None
        if use == Use.ENFORCED and not _someone_has_a_password(provider.tenant):
            raise SignOnSettingsError(
                _(
                    "One global administrator needs a password here, for the day the identity provider is out of order."
                )
            )
        if locked.use != use:
            _log(locked, actor, "ChangeSignOnUse", {"use": locked.use}, {"use": use})
            _tell(locked, actor, _("%(actor)s changed whether people of %(organization)s sign in with %(name)s: %(use)s.\n\n%(service)s/settings/sign-in/\n"), use=Use(use).label)  # fmt: skip
            locked.use = use
        locked.save(update_fields=["use", "set_up_by_id", "set_up_at"])
    provider.refresh_from_db(fields=["use", "set_up_by_id", "set_up_at"])


def _someone_has_a_password(tenant: Tenant) -> bool:
    admins = User.objects.for_tenant(tenant).filter(
        Q(roles__role=RoleAssignment.Role.GLOBAL_ADMIN), is_active=True
    )
    return any(admin.has_usable_password() for admin in admins)


def remove(provider: IdentityProvider, *, actor: User) -> int:
    """Forget the provider and who is bound to which of its accounts; returns how many people were."""
    with transaction.atomic():
        _log(provider, actor, "RemoveSignOn", describe(provider), None)
        bound = SocialAccount.objects.filter(provider=str(provider.id))
        count: int = bound.count()
        bound.delete()
        IdentityProvider.objects.filter(id=provider.id).delete()
    return count


def release(provider: IdentityProvider, address: str, *, actor: User) -> bool:
    """Forget which account of the provider the person with `address` signs in by; the next one is taken."""
    with transaction.atomic():
        bound = SocialAccount.objects.filter(
            Q(user__email=canonical_address(address))
            | Q(user__emailaddress__email=canonical_address(address)),
            provider=str(provider.id),
        )
        ids = set(bound.values_list("id", flat=True))
        if ids:
            SocialAccount.objects.filter(id__in=ids).delete()
            _log(provider, actor, "ReleaseSignOn", {"address": address}, None)
    return bool(ids)


def bound_people(provider: IdentityProvider) -> int:
    """How many people have signed in through `provider`."""
    count: int = SocialAccount.objects.filter(provider=str(provider.id)).count()
    return count


def client_secret(provider: IdentityProvider) -> str:
    """The client's secret. Raises `SignOnRefusedError` when it cannot be unsealed."""
    try:
        return SECRET.get(provider).decode()
    except SealError as error:
        raise SignOnRefusedError("secret_lost") from error


def record_test(provider: IdentityProvider, *, actor: User, address: str) -> None:
    """A test went well with the set-up as it is."""
    with transaction.atomic():
        _log(provider, actor, "TestSignOn", None, {"address": address, "accepted": True})
        IdentityProvider.objects.filter(id=provider.id).update(
            tested_at=timezone.now(), last_error="", last_error_at=None
        )


def record_refusal(provider: IdentityProvider, refusal: SignOnRefusedError, *, log: bool = True) -> None:
    """Keep why a sign-in failed, for the admins. The log gets a row when the reason is a new one or has not come for a while;
    none where nobody here began that sign-in, so that strangers cannot fill it.
    """
    now = timezone.now()
    with transaction.atomic():
        locked = IdentityProvider.objects.select_for_update().filter(id=provider.id).first()
        if locked is None:
            return
        since = locked.last_error_at
        is_news = locked.last_error != refusal.kept or since is None or now - since > _SAME_ERROR
        if not log and not is_news:
            return
        if log and is_news:
            record_admin(
                tenant_id=locked.tenant_id, actor=refusal.detail if "@" in refusal.detail else "", actor_id=None,
                action="SignOnRefused", target=locked.name, target_id=locked.id, after={"reason": refusal.kept},
                passed=False,
            )  # fmt: skip
        locked.last_error, locked.last_error_at = refusal.kept, now
        locked.save(update_fields=["last_error", "last_error_at"])


def read_again(provider: IdentityProvider) -> bool:
    """Read the SAML metadata anew, as after a renewed certificate, at most every five minutes; whether that changed it.

    Only the certificates and addresses may change: metadata of another provider is refused.
    """
    url = provider.settings.get("metadata_url")
    last = provider.settings.get("read_at", "")
    if not url or (last and timezone.now() - dt.datetime.fromisoformat(last) < _REFRESH):
        return False
    try:
        facts = provider_metadata.read_saml(get_bytes(url))
    except (FetchError, MetadataError):
        facts = {"entity_id": None}
    same = facts["entity_id"] == provider.settings["entity_id"]
    with transaction.atomic():
        locked = IdentityProvider.objects.select_for_update().get(id=provider.id)
        if locked.settings.get("metadata_url") != url:
            return False
        changed = same and _differs(locked.settings, facts)
        before = describe(locked)
        fresh = facts if same else {"read_at": timezone.now().isoformat()}
        locked.settings = provider.settings = {**locked.settings, **fresh}
        locked.save(update_fields=["settings"])
        if changed:
            record_admin(
                tenant_id=locked.tenant_id, actor="system", actor_id=None, action="RefreshSignOn",
                target=locked.name, target_id=locked.id, before=before, after=describe(locked),
            )  # fmt: skip
    return changed


def describe(provider: IdentityProvider) -> dict[str, Any]:
    """The provider for the log and for interfaces, without secrets; certificates by fingerprint."""
    facts = {name: value for name, value in provider.settings.items() if name != "certificates"}
    if provider.kind == Kind.SAML:
        facts["certificates"] = [c["fingerprint"] for c in provider.settings.get("certificates", [])]
    return {
        "kind": provider.kind, "name": provider.name, "use": provider.use,
        "creates_accounts": provider.creates_accounts, **facts,
    }  # fmt: skip


def _log(
    provider: IdentityProvider,
    actor: User,
    action: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    record_admin(
        tenant_id=provider.tenant_id, actor=actor.email, actor_id=actor.id, action=action, target=provider.name,
        target_id=provider.id, before=before, after=after,
    )  # fmt: skip


def _tell(provider: IdentityProvider, actor: User, text: Promise, **values: object) -> None:
    """Tell every administrator: who controls the provider can be anybody in the organization."""
    tell_administrators(
        provider.tenant,
        subject=_("%(organization)s: single sign-on changed"),
        text=text,
        values={"actor": actor.email, "name": provider.name, **values},
    )


def _place(provider: IdentityProvider) -> bytes:
    """Where the sealed secret belongs, so that it opens nowhere else: table, row, organization, purpose."""
    return f"{IdentityProvider._meta.db_table}:{provider.id}:{provider.tenant_id}:client-secret".encode()


SECRET: Final = SealedColumn(IdentityProvider, "sealed_secret", _PURPOSE, _place)
