"""What the installation is told from outside: environment variables, secret files, data directory.

Every reader here either returns a usable value or raises `ImproperlyConfigured` with one sentence for the operator.
"""

import os
import secrets
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}
SHORTEST_SECRET = 32


def text(name: str, default: str = "") -> str:
    """The variable `RIGHTSKEEP_<name>`, without surrounding blanks."""
    return os.environ.get(f"RIGHTSKEEP_{name}", default).strip()


def flag(name: str) -> bool:
    """A yes/no variable; absent means no. Anything unclear is refused, not guessed."""
    value = text(name).lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"RIGHTSKEEP_{name} must be 1 or 0, not {value!r}.")


def number(name: str, default: int) -> int:
    """A whole-number variable."""
    value = text(name)
    if not value:
        return default
    if not value.isdigit():
        raise ImproperlyConfigured(f"RIGHTSKEEP_{name} must be a whole number, not {value!r}.")
    return int(value)


def words(name: str) -> list[str]:
    """A comma-separated list variable."""
    return [word.strip() for word in text(name).split(",") if word.strip()]


def choice(name: str, allowed: tuple[str, ...]) -> str:
    """A variable that takes one of a few words; absent means the first."""
    value = text(name).lower() or allowed[0]
    if value not in allowed:
        raise ImproperlyConfigured(f"RIGHTSKEEP_{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def servers(name: str, *, port: int) -> list[tuple[str, int]]:
    """A comma-separated list of addresses of machines, each with a port or without: `192.0.2.1:53, [2001:db8::1]`."""
    return [_server(name, word, port) for word in words(name)]


def listener(name: str) -> tuple[str, int] | None:
    """Where a listener stands, `127.0.0.1:9464`; None when it is not wanted."""
    value = text(name)
    if not value:
        return None
    address, port = _server(name, value, 0)
    if not port:
        raise ImproperlyConfigured(f"RIGHTSKEEP_{name} takes an address with a port, such as 127.0.0.1:9464.")
    return address, port


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """A comma-separated list of networks: `10.0.0.0/8, fd00::/8`."""
    try:
        return [ip_network(word) for word in words(name)]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"RIGHTSKEEP_{name} takes networks such as 10.0.0.0/8: {error}."
        ) from error


def _server(name: str, word: str, default_port: int) -> tuple[str, int]:
    try:
        bare = ip_address(word.strip("[]"))
        return str(bare), default_port
    except ValueError:
        pass
    try:
        parts = urlsplit(f"//{word}")
        return str(ip_address(parts.hostname or "")), parts.port or default_port
    except ValueError as error:
        raise ImproperlyConfigured(
            f"RIGHTSKEEP_{name} takes network addresses such as 192.0.2.1:53, not {word!r}."
        ) from error


def data_dir() -> Path:
    """Where database, secrets, files and mail live when no other place is named."""
    return Path(text("DATA_DIR") or BASE_DIR / "var").expanduser().absolute()


def secret(name: str, *, production: bool) -> str:
    """A secret from `RIGHTSKEEP_<name>`, from the file `RIGHTSKEEP_<name>_FILE`, or from `secrets/` in the data directory.

    Outside production a missing one is made there, mode 0600; in production it is a refusal to start.
    """
    value = text(name)
    if value:
        return _long_enough(value, f"RIGHTSKEEP_{name}")
    named = text(f"{name}_FILE")
    path = Path(named) if named else data_dir() / "secrets" / name.lower()
    try:
        value = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        value = ""
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"The secret file {path} cannot be read: {error}.") from error
    if value:
        return _long_enough(value, f"in {path}")
    if production or named:
        raise ImproperlyConfigured(
            f"The secret RIGHTSKEEP_{name} is missing: set it, or RIGHTSKEEP_{name}_FILE, or put it into {path}."
        )
    return _make_secret(path)


def further_secret(name: str, *, shortest: int = SHORTEST_SECRET) -> str:
    """As `secret`, for one that an installation may do without: empty when it is nowhere."""
    value = text(name)
    if not value:
        named = text(f"{name}_FILE")
        path = Path(named) if named else data_dir() / "secrets" / name.lower()
        try:
            value = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            if named:
                raise ImproperlyConfigured(f"The secret file {path} is missing.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"The secret file {path} cannot be read: {error}.") from error
    if value and len(value) < shortest:
        raise ImproperlyConfigured(
            f"The secret RIGHTSKEEP_{name} is too short: it needs {shortest} characters."
        )
    return value


def _long_enough(value: str, place: str) -> str:
    if len(value) < SHORTEST_SECRET:
        raise ImproperlyConfigured(
            f"The secret {place} is too short: it needs at least {SHORTEST_SECRET} characters."
        )
    return value


def _make_secret(path: Path) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Two processes may start at once: whoever links first wins, the other reads the winner's secret.
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            handle.write(secrets.token_urlsafe(32) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"The data directory {path.parent} cannot be written: {error}.") from error


def public_url(*, production: bool) -> str:
    """The address people and devices use, without a trailing slash."""
    value = text("PUBLIC_URL").rstrip("/")
    if not value:
        if production:
            raise ImproperlyConfigured(
                "RIGHTSKEEP_PUBLIC_URL is missing: it is written into every license, so it has to be set in production."
            )
        return "http://127.0.0.1:8000"
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ImproperlyConfigured(f"RIGHTSKEEP_PUBLIC_URL must be an http(s) address, not {value!r}.")
    if production and parts.scheme != "https":
        raise ImproperlyConfigured("RIGHTSKEEP_PUBLIC_URL must begin with https:// in production.")
    return value
