"""Hashes of bearer tokens: the database never holds a token that could be used."""

import hashlib
import hmac

from django.conf import settings


def hash_token(token: str) -> str:
    """Hex HMAC-SHA256 under the API pepper: a stolen table neither reveals nor lets one try tokens."""
    pepper: str = settings.API_PEPPER
    return hmac.new(pepper.encode(), token.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
