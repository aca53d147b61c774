"""Signing in at the identity provider of one's organization: out to it, back from it, and in through allauth.

Nothing here is begun by a link alone: the sign-in page, or an admin's test, first notes in the session where this browser
is about to go. What comes back belongs to that session, once (`statekit`), and is judged in `tenants.sign_on`.
"""

import time
import uuid
from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.views import LogoutView
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.helpers import complete_social_login
from allauth.socialaccount.internal import statekit
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import get_random_string
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from portal import sign_on_addresses as addresses
from portal.access import note_proof
from tenants import fetching, openid, saml, sso
from tenants.membership import ADMINISTER, may
from tenants.models import IdentityProvider, Tenant, User
from tenants.sign_on import Assertion, admit, examine, require_fresh
from tenants.sign_on_reasons import SignOnRefusedError
from tenants.tokens import hash_token

ASKED, TESTED, CAME_BY = "sign_on_asked", "sign_on_test", "sign_on"
_ACS_SECONDS = 120
_ASKED_SECONDS = 600


class SignOnAdapter(DefaultSocialAccountAdapter):
    """allauth's view of identity providers: one each for an organization, and accounts made by `tenants.sign_on` alone."""

    def list_apps(self, request: Any, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """The organization's provider as allauth wants to see it: named by its id, never stored, without its secret."""
        for named in (client_id, provider):
            try:
                found = sso.provider_by_id(uuid.UUID(str(named)))
            except ValueError:
                continue
            return [_app(found)] if found else []
        return []

    def is_open_for_signup(self, request: Any, sociallogin: Any) -> bool:
        return False

    def can_authenticate_by_email(self, login: Any, email: str) -> bool:
        return False

    def pre_social_login(self, request: Any, sociallogin: SocialLogin) -> None:
        """The last look: whoever is about to be signed in was admitted for this very account."""
        admitted = getattr(sociallogin, "admitted", None)
        if not sociallogin.is_existing or admitted != sociallogin.user.pk:
            raise ImmediateHttpResponse(_page(request, 403, {}))

    def get_requests_session(self) -> fetching.GuardedSession:
        return fetching.session()


def _app(provider: IdentityProvider) -> SocialApp:
    kind = "openid_connect" if provider.kind == IdentityProvider.Kind.OPENID_CONNECT else "saml"
    named = str(provider.id)
    return SocialApp(provider=kind, provider_id=named, client_id=named, name=provider.name)


def ask(
    request: HttpRequest,
    provider: IdentityProvider,
    *,
    next_url: str = "",
    address: str = "",
    test: bool = False,
) -> HttpResponse:
    """A page that leads on to the provider.

    A page, not a redirect: browsers hold the form's policy against where a redirect ends, and that is a foreign server.
    """
    note_asked(request, provider, next_url=next_url, address=address, test=test)
    start = reverse("sign_on_start", args=[provider.tenant_id])
    response = render(
        request, "account/sign_on_leave.html", {"provider": provider, "start": start, "test": test}
    )
    response["Refresh"] = f"0; url={start}"
    return response


def note_asked(
    request: HttpRequest,
    provider: IdentityProvider,
    *,
    next_url: str = "",
    address: str = "",
    test: bool = False,
) -> None:
    """Let this session leave for the provider."""
    request.session[ASKED] = {
        "tenant": str(provider.tenant_id), "next": next_url, "address": address, "test": test,
    }  # fmt: skip


@never_cache
@require_safe
def start(request: HttpRequest, tenant_id: uuid.UUID) -> HttpResponse:
    """Off to the provider, when this session asked for it."""
    asked = request.session.get(ASKED) or {}
    provider = _provider(tenant_id)
    if provider is None or asked.get("tenant") != str(tenant_id):
        return redirect("account_login")
    test = bool(asked.get("test"))
    if not test and provider.use == IdentityProvider.Use.OFF:
        return redirect("account_login")
    state: dict[str, Any] = {
        "process": "login",
        "next": asked.get("next") or "",
        "test": str(request.user.pk) if test and request.user.is_authenticated else "",
        "nonce": get_random_string(32),
        "verifier": get_random_string(64),
        # Whoever is signed in already is asked to prove it anew.
        "fresh_since": time.time() if request.user.is_authenticated and not test else None,
    }
    fresh = state["fresh_since"] is not None
    try:
        if provider.kind == IdentityProvider.Kind.SAML:
            address, request_id = saml.request_address(provider, addresses.place(tenant_id), fresh=fresh)
            statekit.stash_state(request, provider_id=str(provider.id), state=state, state_id=request_id)
            cache.set(_place_of_request(provider, request_id), True, _ASKED_SECONDS)
            return redirect(address)
    except SignOnRefusedError as refusal:
        return _refuse(request, provider, refusal, state)
    state_id = statekit.stash_state(request, provider_id=str(provider.id), state=state)
    return redirect(
        openid.authorization_address(
            provider,
            redirect_uri=addresses.callback_address(tenant_id),
            state=state_id,
            nonce=state["nonce"],
            verifier=state["verifier"],
            address=asked.get("address") or "",
            fresh=fresh,
        )
    )


@never_cache
@require_safe
def callback(request: HttpRequest, tenant_id: uuid.UUID) -> HttpResponse:
    """Back from an OpenID provider with a code."""
    provider = _provider(tenant_id, IdentityProvider.Kind.OPENID_CONNECT)
    if provider is None:
        return _began_elsewhere(request)
    state = _take_state(request, provider, request.GET.get("state", ""))
    try:
        if state is None:
            raise SignOnRefusedError("replayed")
        # RFC 9207: a provider that says who it is has to be the one we sent the browser to.
        if request.GET.get("iss", provider.settings["issuer"]) != provider.settings["issuer"]:
            raise SignOnRefusedError("wrong_issuer")
        if "code" not in request.GET:
            raise openid.refusal_of(request.GET.dict())
        tokens = openid.redeem(
            provider,
            request.GET["code"],
            redirect_uri=addresses.callback_address(tenant_id),
            verifier=state["verifier"],
        )
        claims = openid.verified_claims(provider, tokens["id_token"], nonce=state["nonce"])
        claims = openid.with_address(provider, claims, tokens.get("access_token"))
        request.session[CAME_BY] = {"tenant": str(tenant_id), "id_token": tokens["id_token"]}
        return _finish(request, provider, openid.assertion_of(claims), state, claims)
    except SignOnRefusedError as refusal:
        return _refuse(request, provider, refusal, state)


@csrf_exempt
@never_cache
@require_POST
def acs(request: HttpRequest, tenant_id: uuid.UUID) -> HttpResponse:
    """A SAML provider's answer. It comes from a foreign page, without our cookie: what was checked waits for `acs_finish`.

    What is refused is led there too, as is what names no organization: strangers see no difference.
    """
    provider = _provider(tenant_id, IdentityProvider.Kind.SAML)
    target = reverse("sign_on_acs_finish", args=[tenant_id])
    if provider is None:
        return redirect(target)
    try:
        answer = saml.read_response(
            provider,
            addresses.place(tenant_id),
            request.POST.get("SAMLResponse", ""),
            was_asked=lambda request_id: bool(cache.get(_place_of_request(provider, request_id))),
        )
    except SignOnRefusedError as refusal:
        sso.record_refusal(provider, refusal, log=False)
        return redirect(target)
    waiting = SessionStore()
    waiting["answer"] = {
        "provider": str(provider.id),
        "request": answer.request_id,
        "subject": answer.assertion.subject,
        "address": answer.assertion.address,
        "name": answer.assertion.name,
        "verified": answer.assertion.address_verified,
        "proven_at": answer.assertion.proven_at,
        "claims": _shown(answer.claims),
    }
    waiting.set_expiry(_ACS_SECONDS)
    waiting.create()  # unscoped: a session of its own, for the two minutes until it is met
    return redirect(f"{target}?{urlencode({'answer': waiting.session_key})}")


@never_cache
@require_safe
def acs_finish(request: HttpRequest, tenant_id: uuid.UUID) -> HttpResponse:
    """The checked answer meets the session that asked for it."""
    provider = _provider(tenant_id, IdentityProvider.Kind.SAML)
    if provider is None:
        return _began_elsewhere(request)
    waiting = SessionStore(request.GET.get("answer", ""))
    answer = waiting.get("answer")
    if not answer or answer["provider"] != str(provider.id):
        return _refused_before(request, provider)
    waiting.flush()
    state = _take_state(request, provider, answer["request"])
    try:
        if state is None:
            raise SignOnRefusedError("replayed")
        said = (answer[fact] for fact in ("subject", "address", "name", "verified", "proven_at"))
        assertion = Assertion(*said)
        return _finish(request, provider, assertion, state, answer["claims"])
    except SignOnRefusedError as refusal:
        return _refuse(request, provider, refusal, state)


@require_safe
def service_metadata(request: HttpRequest, tenant_id: uuid.UUID) -> HttpResponse:
    """What a SAML provider wants to know of us; made of the address alone, so it tells nothing about who exists."""
    response = HttpResponse(
        saml.our_metadata(addresses.place(tenant_id)), content_type="application/samlmetadata+xml"
    )
    response["Content-Disposition"] = 'inline; filename="rightskeep-metadata.xml"'
    return response


def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out here; whoever came through an OpenID provider is then offered to sign out there too."""
    # Whoever goes on elsewhere, as to a fresh sign-in, is not held up.
    leaves = request.method == "POST" and not request.POST.get("next")
    came_by = request.session.get(CAME_BY) if leaves else None
    provider = _provider(uuid.UUID(came_by["tenant"])) if came_by and request.user.is_authenticated else None
    if came_by is None or provider is None or provider.kind != IdentityProvider.Kind.OPENID_CONNECT:
        response: HttpResponse = LogoutView.as_view()(request)
        return response
    there = openid.sign_out_address(
        provider, id_token=came_by["id_token"], return_to=addresses.public(reverse("account_login"))
    )
    get_account_adapter(request).logout(request)
    if not there:
        return redirect("account_login")
    return render(request, "account/sign_on_left.html", {"provider": provider, "there": there})


def _provider(tenant_id: uuid.UUID, kind: str | None = None) -> IdentityProvider | None:
    tenant = Tenant.objects.filter(id=tenant_id).first()
    provider = sso.find_provider(tenant) if tenant else None
    return provider if provider and kind in (None, provider.kind) else None


def _take_state(request: HttpRequest, provider: IdentityProvider, state_id: str) -> dict[str, Any] | None:
    """What this session kept when it left for the provider: good once, for ten minutes."""
    state: dict[str, Any] | None = statekit.unstash_state(
        request, provider_id=str(provider.id), state_id=state_id
    )
    return state


def _finish(
    request: HttpRequest,
    provider: IdentityProvider,
    assertion: Assertion,
    state: dict[str, Any],
    claims: dict[str, Any],
) -> HttpResponse:
    if state["test"]:
        return _finish_test(request, provider, assertion, state, claims)
    if provider.use == IdentityProvider.Use.OFF:
        return _page(request, 403, {"provider": provider})
    if state["fresh_since"] is not None:
        require_fresh(assertion, since=state["fresh_since"])
    person = admit(provider, assertion)
    request.session.pop(ASKED, None)
    app = _app(provider)
    login = SocialLogin(
        user=User(), account=SocialAccount(provider=app.provider_id, uid=assertion.subject, extra_data={}),
        provider=app.get_provider(request),
    )  # fmt: skip
    login.user.pk = None
    login.admitted = person.pk
    login.state = {"process": "login", "next": state["next"] or None}
    came_by = request.session.get(CAME_BY)
    response: HttpResponse = complete_social_login(request, login)
    if came_by:
        request.session[CAME_BY] = came_by
    if request.user.is_authenticated:  # at once, without a further factor, which would be a proof of its own
        note_proof(request, assertion.proven_at)
    return response


def _finish_test(
    request: HttpRequest,
    provider: IdentityProvider,
    assertion: Assertion,
    state: dict[str, Any],
    claims: dict[str, Any],
) -> HttpResponse:
    """Judge as at a real sign-in, change nothing, and tell the admin."""
    request.session.pop(CAME_BY, None)
    if not _tests_it(request, provider, state):
        raise SignOnRefusedError("replayed")
    finding = examine(provider, assertion)
    sso.record_test(provider, actor=_person(request), address=finding.address)
    request.session[TESTED] = {
        "address": finding.address,
        "person": finding.person.get_full_name() if finding.person else "",
        "joins": finding.joins,
        "claims": _shown(claims),
    }
    return redirect("sign_in_settings")


def _tests_it(request: HttpRequest, provider: IdentityProvider, state: dict[str, Any]) -> bool:
    user = request.user
    return (
        isinstance(user, User)
        and str(user.pk) == state["test"]
        and user.tenant_id == provider.tenant_id
        and may(user, ADMINISTER)
    )


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _place_of_request(provider: IdentityProvider, request_id: str) -> str:
    """Where it is kept that a SAML request was made here a short while ago."""
    return f"saml-request:{hash_token(f'{provider.id}:{request_id}')}"


def _refused_before(request: HttpRequest, provider: IdentityProvider) -> HttpResponse:
    """The answer was refused before it met this session. Whoever began a sign-in here learns where to ask; nobody else."""
    asked = request.session.get(ASKED) or {}
    if asked.get("tenant") != str(provider.tenant_id):
        return _began_elsewhere(request)
    return _page(request, 403, {"provider": provider})


def _began_elsewhere(request: HttpRequest) -> HttpResponse:
    """What everybody sees whose session began no such sign-in, whether there is such an organization or not."""
    return _page(request, 403, {"over": True})


def _shown(claims: dict[str, Any]) -> dict[str, str]:
    return {str(name)[:100]: str(value)[:200] for name, value in list(claims.items())[:30]}


def _refuse(
    request: HttpRequest,
    provider: IdentityProvider,
    refusal: SignOnRefusedError,
    state: dict[str, Any] | None,
) -> HttpResponse:
    """Keep the exact reason for the admins; the person gets a general sentence, an admin who tests is led back to it."""
    sso.record_refusal(provider, refusal, log=state is not None)
    request.session.pop(CAME_BY, None)
    if state is not None and state["test"] and _tests_it(request, provider, state):
        request.session.pop(TESTED, None)
        return redirect("sign_in_settings")
    over = refusal.code in ("replayed", "wrong_time")
    return _page(request, 403, {"provider": provider, "over": over, "suspended": refusal.code == "suspended"})


def _page(request: HttpRequest, status: int, context: dict[str, Any]) -> HttpResponse:
    return render(request, "account/sign_on_refused.html", context, status=status)
