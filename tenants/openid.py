"""OpenID Connect with an organization's provider: the authorization code flow with PKCE, and what its tokens must hold.

Every token is checked against the published keys, although it came over TLS from the provider itself: one rule, no
exception, and no way to ask for less.
"""

import base64
import hashlib
import re
from typing import Any, Final
from urllib.parse import urlencode

import jwt
from django.utils.crypto import constant_time_compare

from tenants import fetching, sso
from tenants.fetching import FetchError
from tenants.models import IdentityProvider
from tenants.sign_on import LEEWAY_SECONDS, Assertion
from tenants.sign_on_reasons import SignOnRefusedError

# Signatures by published keys; never "none", and never with the client's secret.
ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_END_OF_TIME: Final = 2**36
_REQUIRED: Final = ["iss", "aud", "exp", "iat", "sub", "nonce"]


def authorization_address(
    provider: IdentityProvider,
    *,
    redirect_uri: str,
    state: str,
    nonce: str,
    verifier: str,
    address: str = "",
    fresh: bool = False,
) -> str:
    """Where to send the browser. `fresh` asks the provider to have the person sign in there again."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    parameters = {
        "response_type": "code",
        "client_id": provider.settings["client_id"],
        "redirect_uri": redirect_uri,
        "scope": "openid email profile",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    if address:
        parameters["login_hint"] = address
    if fresh:
        # The second one alone obliges a provider to say when that was: OpenID Connect Core, section 3.1.2.1.
        parameters |= {"prompt": "login", "max_age": "0"}
    endpoint: str = provider.settings["authorization_endpoint"]
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"


def sign_out_address(provider: IdentityProvider, *, id_token: str, return_to: str) -> str:
    """Where the person can sign out of the provider too; empty when it says no such place."""
    endpoint: str = provider.settings.get("end_session_endpoint", "")
    if not endpoint:
        return ""
    parameters = {
        "id_token_hint": id_token,
        "client_id": provider.settings["client_id"],
        "post_logout_redirect_uri": return_to,
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"


def refusal_of(parameters: dict[str, str]) -> SignOnRefusedError:
    """The error a provider sent back instead of a code; only its code is kept, which cannot carry a message of others."""
    code = parameters.get("error", "")
    return SignOnRefusedError("refused_there", code if re.fullmatch(r"[a-zA-Z_]{1,40}", code) else "error")


def redeem(provider: IdentityProvider, code: str, *, redirect_uri: str, verifier: str) -> dict[str, Any]:
    """The provider's tokens for `code`. Raises `SignOnRefusedError`."""
    client_id, secret = provider.settings["client_id"], sso.client_secret(provider)
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier,
    }  # fmt: skip
    basic = provider.settings["auth_method"] == "client_secret_basic"
    if not basic:
        form |= {"client_id": client_id, "client_secret": secret}
    # RFC 6749 section 2.3.1: encoded as in a form before they go into the header.
    pair = (urlencode({"": client_id})[1:], urlencode({"": secret})[1:])
    try:
        with fetching.session() as opened:
            answer = opened.post(provider.settings["token_endpoint"], data=form, auth=pair if basic else None)
    except FetchError as error:
        raise SignOnRefusedError("unreachable", str(error)) from error
    if answer.status_code != 200:
        raise SignOnRefusedError("client_refused", str(answer.status_code))
    try:
        tokens = answer.json()
    except ValueError as error:
        raise SignOnRefusedError("malformed", "token") from error
    if not isinstance(tokens, dict) or not isinstance(tokens.get("id_token"), str):
        raise SignOnRefusedError("malformed", "id_token")
    return tokens


def verified_claims(provider: IdentityProvider, id_token: str, *, nonce: str) -> dict[str, Any]:
    """The claims of an ID token that is the provider's, for us, of now, and for this sign-in. Raises `SignOnRefusedError`."""
    client_id = provider.settings["client_id"]
    try:
        key = _signing_key(provider, id_token)
        claims = jwt.decode(
            id_token,
            key=key.key,
            algorithms=[key.algorithm_name] if key.algorithm_name in ALGORITHMS else [],
            audience=client_id,
            issuer=provider.settings["issuer"],
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED},
        )
    except jwt.InvalidIssuerError as error:
        raise SignOnRefusedError("wrong_issuer") from error
    except jwt.InvalidAudienceError as error:
        raise SignOnRefusedError("wrong_audience") from error
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError, jwt.InvalidIssuedAtError) as error:
        raise SignOnRefusedError("wrong_time") from error
    except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
        raise SignOnRefusedError("bad_signature") from error
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise SignOnRefusedError("malformed", "id_token") from error
    audience = claims["aud"]
    if claims.get("azp", client_id) != client_id or (
        isinstance(audience, list) and len(audience) > 1 and "azp" not in claims
    ):
        raise SignOnRefusedError("wrong_audience")
    if not isinstance(claims["nonce"], str) or not constant_time_compare(claims["nonce"], nonce):
        raise SignOnRefusedError("replayed")
    return claims


def with_address(provider: IdentityProvider, claims: dict[str, Any], access_token: object) -> dict[str, Any]:
    """The claims, completed by the provider's userinfo where the token holds no address. Raises `SignOnRefusedError`."""
    endpoint = provider.settings.get("userinfo_endpoint")
    if claims.get("email") or not endpoint or not isinstance(access_token, str):
        return claims
    try:
        with fetching.session() as opened:
            answer = opened.get(endpoint, headers={"Authorization": f"Bearer {access_token}"})
    except FetchError as error:
        raise SignOnRefusedError("unreachable", str(error)) from error
    try:
        more = answer.json() if answer.status_code == 200 else {}
    except ValueError as error:
        raise SignOnRefusedError("malformed", "userinfo") from error
    # OpenID Connect Core section 5.3.2: userinfo of another subject must not be used.
    if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
        return claims
    return {**claims, **{name: more[name] for name in ("email", "email_verified", "name") if name in more}}


def assertion_of(claims: dict[str, Any]) -> Assertion:
    """What the claims say of the person."""
    verified = claims.get("email_verified")
    if isinstance(verified, str):
        verified = verified.lower() == "true"
    return Assertion(
        subject=str(claims["sub"]),
        address=str(claims.get("email") or ""),
        name=str(claims.get("name") or ""),
        address_verified=verified if isinstance(verified, bool) else None,
        proven_at=_moment(claims.get("auth_time")),
    )


def _moment(claimed: object) -> float | None:
    """Seconds since the epoch; None where a provider says none, or anything else."""
    if isinstance(claimed, bool) or not isinstance(claimed, (int, float)):
        return None
    return float(claimed) if 0 <= claimed < _END_OF_TIME else None


def _signing_key(provider: IdentityProvider, id_token: str) -> jwt.PyJWK:
    """The published key that the token names; where it names none, the only one there is."""
    header = jwt.get_unverified_header(id_token)
    try:
        published = fetching.get_json(provider.settings["jwks_uri"])
    except FetchError as error:
        raise SignOnRefusedError("unreachable", str(error)) from error
    rows = published.get("keys")
    if not isinstance(rows, list):
        raise SignOnRefusedError("malformed", "jwks")
    fitting = [
        row for row in rows
        if isinstance(row, dict) and row.get("use", "sig") == "sig" and row.get("kty") != "oct"
        and header.get("kid") in (None, row.get("kid"))
    ]  # fmt: skip
    if len(fitting) != 1 or header.get("alg") not in ALGORITHMS:
        raise SignOnRefusedError("bad_signature")
    return jwt.PyJWK(fitting[0], algorithm=header["alg"])
