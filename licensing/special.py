"""The special policies (product.md section 3) in words; their rights are `rms.rights.SPECIALS`."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Name and description by role, as a license tells them.
SPECIAL_POLICIES: Final[dict[str, tuple[Promise | str, Promise | str]]] = {
    "DONOTFORWARD": (
        _("Do Not Forward"),
        _("Recipients may read, change and reply, but not forward, print, copy or save without protection."),
    ),
    "ENCRYPTONLY": (
        _("Encrypt-Only"),
        _("Recipients may do everything but remove the protection."),
    ),
}
