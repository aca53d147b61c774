"""What can go wrong, as one sentence for people, a stable code, and an exit code of the command."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the ``rightskeep`` command (part of its contract)."""

    OK = 0
    USAGE = 2
    NO_RIGHTS = 3
    WITHDRAWN = 4
    BAD_FILE = 5
    SERVER = 6
    INTERRUPTED = 130


class ClientError(Exception):
    """Base of all errors of the client; ``str(error)`` is a sentence for people."""

    exit_code = Exit.USAGE

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UsageError(ClientError):
    """The command cannot be carried out as asked: arguments, or local files in the way."""

    exit_code = Exit.USAGE


class NoRightsError(ClientError):
    """The person may not do this."""

    exit_code = Exit.NO_RIGHTS


class WithdrawnError(ClientError):
    """Access existed and has ended: the content expired or was revoked."""

    exit_code = Exit.WITHDRAWN


class BadFileError(ClientError):
    """The file is not protected, damaged, or altered after protection."""

    exit_code = Exit.BAD_FILE


class ServerError(ClientError):
    """The server cannot be reached, does not serve, or answers nonsense."""

    exit_code = Exit.SERVER


class SignInError(ServerError):
    """No sign-in for this server, or the server does not accept it any more."""


class RefusalError(ServerError):
    """The server answered with an error of its own.

    ``status`` is the HTTP status, ``code`` the server's own code (without the namespace that
    protocol section 1.1 prescribes), the text its message for people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status
        if status == 403:
            self.exit_code = Exit.NO_RIGHTS
