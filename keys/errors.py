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
