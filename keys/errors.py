"""What can go wrong with a tenant's keys."""


class KeyCustodyError(Exception):
    """Base of this module's errors; `code` is stable, the text is for people."""

    code = "key_error"


class NoActiveKeyError(KeyCustodyError):
    code = "no_active_key"


class KeyUnavailableError(KeyCustodyError):
    """The private half cannot be used here: wrong key-encryption key, damaged row, missing token."""

    code = "key_unavailable"


class RollInProgressError(KeyCustodyError):
    code = "roll_in_progress"


class KeyNoLongerActiveError(KeyCustodyError):
    """A key was rolled while a license was being written with it; the caller starts again with the new one."""

    code = "key_no_longer_active"


class KeyHeldError(KeyUnavailableError):
    """The customer keeps the key to themselves at the moment."""

    code = "key_held"


class KeyRefusedError(KeyCustodyError):
    """What was brought is not a key that can be used here; the text says why, and nothing of the key."""

    code = "key_refused"


class NoRollError(KeyCustodyError):
    """There is no planned roll to withdraw: there was none, it was withdrawn, or the new key is active already."""

    code = "no_roll"


class RollPolicyError(KeyCustodyError):
    """A policy that cannot be kept; the text says which number is wrong."""

    code = "bad_policy"


class KeyDestroyedError(KeyCustodyError):
    """The private half is gone for good; what was sealed to it alone opens nowhere."""

    code = "key_destroyed"


class KeyDisabledError(KeyCustodyError):
    """An administrator has disabled the key; enabled again, it opens as before."""

    code = "key_disabled"
