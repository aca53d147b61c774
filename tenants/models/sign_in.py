"""How the people of an organization sign in elsewhere than here."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.base import TenantOwned, TenantQuerySet


class IdentityProvider(TenantOwned):
    """Single sign-on of an organization, by OpenID Connect or SAML. One each; routed to by the address's domain.

    `settings` holds what is public (issuer, addresses, certificates, client id); `sealed_secret` the client's secret,
    under the installation's key.
    """

    class Kind(models.TextChoices):
        OPENID_CONNECT = "oidc", "OpenID Connect"
        SAML = "saml", "SAML 2.0"

    class Use(models.TextChoices):
        OFF = "off", _("Switched off")
        OPTIONAL = "optional", _("Offered beside the password")
        ENFORCED = "enforced", _("The only way in")

    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=100)
    use = models.CharField(max_length=10, choices=Use.choices, default=Use.OFF)
    settings = models.JSONField(default=dict)
    sealed_secret = models.BinaryField(default=bytes)
    kek_id = models.CharField(max_length=16, blank=True)
    creates_accounts = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    # Who set it up, and when, as long as nobody has put it into use since.
    set_up_by_id = models.UUIDField(null=True, blank=True)
    set_up_at = models.DateTimeField(null=True, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["IdentityProvider"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_identity_provider_per_tenant")]

    def __str__(self) -> str:
        return self.name
