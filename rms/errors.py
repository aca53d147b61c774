"""What can be wrong with bytes that came from somebody else.

Every reader of this package raises a `FormatError` and nothing else for bad input. `str(error)` is one sentence
that may be shown to a person; `error.code` is stable and may be compared by programs.
"""

from typing import ClassVar


class FormatError(Exception):
    """The bytes are not what they should be; `str(self)` is a sentence for people."""

    code: ClassVar[str] = "bad_format"


class NotProtectedError(FormatError):
    """The file is no protected file at all."""

    code = "not_protected"


class UnsupportedVersionError(FormatError):
    """A well-formed file or document of a version this library does not read."""

    code = "unsupported_version"


class LicenseError(FormatError):
    """A publishing license, or another XrML document, cannot be read."""

    code = "bad_license"


class SignatureError(LicenseError):
    """An XrML document was altered, or was not signed by the key it names."""

    code = "bad_signature"


class SealError(FormatError):
    """A sealed value does not open with this key.

    One text whatever the cause, so that the answer tells an attacker nothing about what was decrypted.
    """

    code = "sealed"

    def __init__(self) -> None:
        super().__init__("The sealed part of this license cannot be opened with this key.")


class AlteredError(FormatError):
    """The content is not what the person who protected it sealed."""

    code = "altered"
