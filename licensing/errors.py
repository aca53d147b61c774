"""Refusals that devices understand: each has the `Code` of protocol.md 1.1 and a sentence for people."""

PREFIX = "Microsoft.RightsManagement.Exceptions."


class DeviceError(Exception):
    """Answered with 400 and `{"Code", "Message"}`. The class name is the last part of the code."""

    @property
    def code(self) -> str:
        return PREFIX + self.log_name

    @property
    def log_name(self) -> str:
        """What the usage log calls this outcome."""
        return f"{type(self).__name__.removesuffix('Error')}Exception"


class BadInputError(DeviceError):
    """The request or the license in it cannot be used."""


class UnrecognizedUrlError(DeviceError):
    """The address belongs to another installation."""


class ServiceDisabledError(DeviceError):
    """The organization is inactive, or its onboarding control keeps this person from protecting."""


class NotSignedUpError(DeviceError):
    """The person's organization has no tenant here."""


class KeptShutError(DeviceError):
    """The key of a document opens for nobody. Why is said only to those who would be let in otherwise."""

    reason = ""  # as the wire says it

    @property
    def outcome(self) -> str:
        """What the usage log calls an opening that ended so."""
        return self.log_name.removesuffix("Exception")


class KeyHeldError(KeptShutError):
    """The organization keeps its key to itself at the moment: nothing of it opens or is protected."""

    reason = "key held"


class KeyDisabledError(KeptShutError):
    """The organization has disabled the key that opens this document."""

    reason = "key disabled"


class KeyDestroyedError(KeptShutError):
    """The key that opens this document is gone for good."""

    reason = "key destroyed"


class ServerFaultError(DeviceError):
    """Something broke on our side: answered with 500."""
