"""Our side of single sign-on: the addresses that identity providers know us by, always under our public one."""

import uuid

from django.conf import settings
from django.urls import reverse

from tenants import saml


def callback_address(tenant_id: uuid.UUID) -> str:
    """Where OpenID providers send the browser back to."""
    return public(reverse("sign_on_callback", args=[tenant_id]))


def place(tenant_id: uuid.UUID) -> saml.Place:
    """Who we are to a SAML provider."""
    return saml.Place(
        entity_id=public(reverse("sign_on_metadata", args=[tenant_id])),
        acs=public(reverse("sign_on_acs", args=[tenant_id])),
    )


def our_addresses(tenant_id: uuid.UUID) -> dict[str, str]:
    """What the admin enters at the identity provider."""
    ours = place(tenant_id)
    return {"redirect_uri": callback_address(tenant_id), "acs_url": ours.acs, "entity_id": ours.entity_id}


def public(path: str) -> str:
    """A path of ours as an address others can use."""
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}"
