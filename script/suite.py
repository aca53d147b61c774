"""`script/test`: every kind of check in turn, ending at the first that fails.

With arguments, only pytest runs, with these arguments, on SQLite (or on `RIGHTSKEEP_DATABASE_URL` when that is set).
What is absent is said loudly at the beginning and at the end; `RIGHTSKEEP_TEST_REQUIRE=postgresql,redis,softhsm,chromium,node`
makes absence an error.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.executable).parent
POSTGRESQL = "postgres://postgres@127.0.0.1:5432/postgres"
# Database 15 of a Redis on loopback is the tests' own; the tests empty it.
REDIS = "redis://127.0.0.1:6379/15"
SOFTHSM_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
# For what knows of no database, and for what only looks at pages, once is enough.
ON_THE_SECOND = "database and not looks"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Service:
    """Something outside the repository that some tests need."""

    name: str
    is_present: Callable[[], bool]
    without: str


@dataclass(frozen=True)
class Check:
    """A command that needs no service and says what is wrong."""

    title: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def main() -> None:
    """Run what was asked for; exits with the code of the first kind that fails."""
    if sys.argv[1:]:
        sys.exit(_run([*_pytest(), *sys.argv[1:]], os.environ))
    # Started in the background, a process ignores Ctrl-C, and so do its children; tests send it to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    absent = _look_for_services()
    started = time.monotonic()
    _check(_quick_checks(absent))
    _test("on SQLite", {"RIGHTSKEEP_DATABASE_URL": "", "RIGHTSKEEP_BROKER_URL": ""})
    if "postgresql" not in absent:
        broker = "" if "redis" in absent else _redis_url()
        title = "on PostgreSQL" + (" with Redis" if broker else "")
        second = {"RIGHTSKEEP_DATABASE_URL": _postgresql_url(), "RIGHTSKEEP_BROKER_URL": broker}
        _test(title, second, "-m", ON_THE_SECOND)
    for service in absent.values():
        _say(f"NOT TESTED: {service.name} is absent: {service.without}")
    _say(f"Everything passed in {time.monotonic() - started:.0f} s.")


def _postgresql_url() -> str:
    return os.environ.get("RIGHTSKEEP_TEST_DATABASE_URL") or POSTGRESQL


def _redis_url() -> str:
    return os.environ.get("RIGHTSKEEP_TEST_BROKER_URL") or REDIS


def _look_for_services() -> dict[str, Service]:
    services = (
        Service("postgresql", _has_postgresql, "nothing was run on the production database."),
        Service("redis", _has_redis, "jobs ran over the file-system broker only."),
        Service("softhsm", _has_softhsm, "no key was kept in a hardware security module."),
        Service("chromium", lambda: chromium() is not None, "no page was looked at in a browser."),
        Service(
            "node", lambda: shutil.which("node") is not None, "the browser modules' own tests were not run."
        ),
    )
    required = {
        word.strip() for word in os.environ.get("RIGHTSKEEP_TEST_REQUIRE", "").split(",") if word.strip()
    }
    if unknown := required - {service.name for service in services}:
        sys.exit(
            f"RIGHTSKEEP_TEST_REQUIRE names what this suite does not know: {', '.join(sorted(unknown))}."
        )
    absent = {service.name: service for service in services if not service.is_present()}
    if missing := required & set(absent):
        sys.exit(f"Required, but absent: {', '.join(sorted(missing))}.")
    for service in absent.values():
        _say(f"ABSENT: {service.name}: {service.without}")
    return absent


def _has_postgresql() -> bool:
    try:
        psycopg.connect(_postgresql_url(), connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def _has_redis() -> bool:
    client = redis.Redis.from_url(_redis_url(), socket_connect_timeout=3)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _has_softhsm() -> bool:
    return any(Path(path).is_file() for path in SOFTHSM_LIBRARIES)


def chromium() -> str | None:
    """The browser that pages are looked at in; None when none is installed."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def _quick_checks(absent: dict[str, Service]) -> list[Check]:
    python = sys.executable
    deployment = [python, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    # With the tests' settings, so that it neither needs nor touches an installation.
    migrations = [
        python, "manage.py", "makemigrations", "--check", "--dry-run", "--settings", "tests.settings",
    ]  # fmt: skip
    checks = [
        Check("types", [str(TOOLS / "mypy")]),  # takes as long as all the others, which run beside it
        Check("format", [str(TOOLS / "ruff"), "format", "--check", "."]),
        Check("lint", [str(TOOLS / "ruff"), "check", "."]),
        Check("import rules", [str(TOOLS / "lint-imports")]),
        Check("migrations", migrations),
        Check("deployment check", deployment, _production_environment()),
    ]
    if "node" not in absent and (ROOT / "tests" / "js").is_dir():
        modules = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.mjs"))
        checks.append(Check("browser modules", ["node", "--test", "--test-reporter=dot", *modules]))
    return checks


def _check(checks: Sequence[Check]) -> None:
    """Run them two at a time; what they say is shown one after the other."""
    with ThreadPoolExecutor(2) as pool:
        for check, (code, output) in zip(checks, pool.map(_hear, checks), strict=True):
            _say(f"== {check.title}\n{output.rstrip()}")
            if code != 0:
                pool.shutdown(cancel_futures=True)
                _say(f"FAILED: {check.title}.")
                sys.exit(code)


def _hear(check: Check) -> tuple[int, str]:
    done = subprocess.run(
        check.command,
        cwd=ROOT,
        env={**os.environ, **check.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def _production_environment() -> dict[str, str]:
    """Settings as an operator would give them, for Django's own deployment checks; nothing is connected to."""
    return {
        "RIGHTSKEEP_PRODUCTION": "1",
        "RIGHTSKEEP_PUBLIC_URL": "https://rightskeep.example",
        "RIGHTSKEEP_BROKER_URL": REDIS,
        **{f"RIGHTSKEEP_{name}": secrets.token_urlsafe(48) for name in ("SECRET_KEY", "KEK", "API_PEPPER")},
    }


def _test(title: str, environment: dict[str, str], *arguments: str) -> None:
    """Two processes; tests that start real servers share one of them (`tests/conftest.py`)."""
    command = [*_pytest(), "-n", "2", "--durations", "12", *arguments]
    _must(f"tests {title}", command, {**os.environ, **environment})


def _pytest() -> list[str]:
    return [sys.executable, "-m", "pytest"]


def _must(title: str, command: Sequence[str], environment: "os._Environ[str] | dict[str, str]") -> None:
    _say(f"== {title}")
    started = time.monotonic()
    code = _run(command, environment)
    if code != 0:
        _say(f"FAILED: {title}.")
        sys.exit(code)
    _say(f"   {title}: passed in {time.monotonic() - started:.0f} s")


def _run(command: Sequence[str], environment: "os._Environ[str] | dict[str, str]") -> int:
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
