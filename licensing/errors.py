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


class UnknownTenantError(DeviceError):
    """The organization does not exist here."""


class UnrecognizedUrlError(DeviceError):
    """The address belongs to another installation."""


class ServiceDisabledError(DeviceError):
    """The organization is inactive, or its onboarding control keeps this person from protecting."""


class NotSignedUpError(DeviceError):
    """The person's organization has no tenant here."""


class KeyHeldError(DeviceError):
    """The organization keeps its key to itself at the moment: nothing of it opens or is protected."""


class KeyDisabledError(DeviceError):
    """The organization has disabled the key that opens this document."""


class ServerFaultError(DeviceError):
    """Something broke on our side: answered with 500."""
