"""Statements of the installation that others keep: JSON Web Signatures (RS256) by the key that also signs identity tokens,
so that anybody can check them with the installation's published keys (`/.well-known/jwks.json`)."""

from collections.abc import Mapping
from typing import Any

import jwt
from allauth.core.internal import jwkkit

from keys.custody import oidc_signing_key


def sign(facts: Mapping[str, object], kind: str) -> str:
    """The statement in compact form. `kind` is its type, so that no statement can be taken for one of another kind."""
    jwk, private_key = jwkkit.load_jwk_from_pem(oidc_signing_key())
    return jwt.encode(dict(facts), private_key, algorithm="RS256", headers={"kid": jwk["kid"], "typ": kind})


def public_key() -> Any:
    """What these signatures are checked with, as the JWT library takes it."""
    jwk, _ = jwkkit.load_jwk_from_pem(oidc_signing_key())
    return jwt.PyJWK(jwk).key
