"""Why a sign-in through an organization's identity provider was refused: codes, kept, and sentences, shown to admins."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REASONS: Final[dict[str, Promise]] = {
    "address_missing": _(
        "The identity provider sent no email address. Have it send the claim or attribute “email”."
    ),
    "address_outside": _(
        "The identity provider vouched for an address whose domain your organization has not proven: %(detail)s"
    ),
    "address_unverified": _(
        "The identity provider says that this address is not verified: %(detail)s. Have it verified there, or trust its addresses here."
    ),
    "other_person": _(
        "This address belongs to another person than the one who signed in with that account before: %(detail)s"
    ),
    "other_subject": _(
        "This address was bound to another account at the identity provider: %(detail)s. If it is the same person, release the address on this page."
    ),
    "outside_account": _(
        "An account that is not of your organization uses this address: %(detail)s. The operator of this installation can help."
    ),
    "left": _(
        "The person bound to this account is no longer in your organization: %(detail)s. To begin anew, release the address on this page."
    ),
    "suspended": _("This person is suspended: %(detail)s"),
    "not_created": _(
        "This address has no account here, and accounts are not made at sign-in: %(detail)s. Invite the person first."
    ),
    "wrong_audience": _(
        "The answer was meant for another application. Compare the client ID or entity ID at the identity provider with the one on this page."
    ),
    "wrong_issuer": _("The answer came from another identity provider than the one set up here: %(detail)s"),
    "wrong_time": _(
        "The answer is too old or not yet valid. Compare the clocks of the identity provider and of this installation."
    ),
    "bad_signature": _(
        "The signature of the answer fits none of the keys known here. If the identity provider has a new certificate, read its metadata again."
    ),
    "unsigned": _("The assertion is not signed. Have the identity provider sign assertions, with SHA-256."),
    "weak_signature": _("The answer is signed with SHA-1. Have the identity provider sign with SHA-256."),
    "certificate_expired": _(
        "All certificates of the identity provider have expired: %(detail)s. Renew them there and read its metadata again."
    ),
    "unsolicited": _(
        "The identity provider sent an answer that nobody asked for. People begin at the sign-in page here, not at the identity provider's."
    ),
    "replayed": _(
        "The answer belongs to no sign-in that this browser began, or was used before. It takes ten minutes at most."
    ),
    "no_proof_time": _(
        "Somebody was asked to sign in anew, and the identity provider did not say when they did. Have it put the claim “auth_time” into the ID token (SAML: “AuthnInstant” into the assertion)."
    ),
    "not_fresh": _(
        "Somebody was asked to sign in anew, and the identity provider sent them back without asking; they had signed in there at %(detail)s. Have it obey “prompt=login” and “max_age” (SAML: “ForceAuthn”), and compare the clocks."
    ),
    "refused_there": _("The identity provider refused: %(detail)s"),
    "client_refused": _(
        "The identity provider did not accept our client ID and secret (status %(detail)s). Compare them, and the redirect address, with what is set there."
    ),
    "unreachable": _("The identity provider could not be reached: %(detail)s"),
    "malformed": _("The answer of the identity provider could not be read: %(detail)s"),
    "secret_lost": _("The client secret cannot be unsealed. Enter it again."),
}


class SignOnRefusedError(Exception):
    """A sign-in through an identity provider is refused. The text is for its admins; others see a general sentence."""

    def __init__(self, code: str, detail: str = "") -> None:
        assert code in REASONS
        self.code, self.detail = code, " ".join(detail.split())[:200]
        super().__init__(code, self.detail)

    def __str__(self) -> str:
        return sentence(self.kept)

    @property
    def kept(self) -> str:
        """As it stands in the database and the log, without a language."""
        return f"{self.code}: {self.detail}" if self.detail else self.code


def sentence(kept: str) -> str:
    """What a kept reason means, in the language of whoever looks."""
    code, _separator, detail = kept.partition(": ")
    return str(REASONS.get(code, REASONS["malformed"])) % {"detail": detail}
