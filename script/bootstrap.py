"""From a bare Python to the project's own: makes `.venv/` from the lock file and continues inside it.

Only the standard library may be used here, and only what Python 3.6 can read: an older Python has to get as far as
saying that it is too old.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK_FILE = ROOT / "requirements.lock"
OLDEST = (3, 11)
NEWEST_TRIED = 14


def run(module: str) -> None:
    """Replace this process by `python -m module` with the same arguments, inside a prepared `.venv/`."""
    _leave_old_python()
    if os.environ.get("RIGHTSKEEP_DATA_DIR"):
        # Said relative to where the caller stands, not to where the project lies.
        os.environ["RIGHTSKEEP_DATA_DIR"] = str(
            Path(os.environ["RIGHTSKEEP_DATA_DIR"]).expanduser().absolute()
        )
    try:
        prepare()
    except KeyboardInterrupt:
        sys.exit(130)
    os.chdir(str(ROOT))
    os.execv(str(PYTHON), [str(PYTHON), "-m", module, *sys.argv[1:]])


def prepare() -> None:
    """Bring `.venv/` up to what the lock file says; does nothing when it is there already. Safe to call twice at once."""
    if sys.platform == "win32":
        sys.exit("Rightskeep's server runs on Linux and macOS; on Windows, use WSL.")
    import fcntl  # absent on Windows

    try:
        VENV.mkdir(exist_ok=True)
        with (VENV / ".preparing").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not _is_current():
                _install()
    except OSError as error:
        sys.exit(f"The virtual environment {VENV} cannot be made: {error.strerror or error}.")


def _leave_old_python() -> None:
    if sys.version_info >= OLDEST:
        return
    for minor in range(NEWEST_TRIED, OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, *sys.argv])
    sys.exit(
        "Rightskeep needs Python {}.{} or newer; this is Python {}.{}.".format(*OLDEST, *sys.version_info[:2])
    )


def _stamp() -> Path:
    return VENV / ".installed"


def _wanted() -> str:
    """What the environment depends on: the lock file, and the project's own name, extras and commands."""
    import tomllib  # new in Python 3.11, see the module's docstring

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    own = json.dumps([project["project"], project["build-system"], str(ROOT)], sort_keys=True)
    return hashlib.sha256(LOCK_FILE.read_bytes() + own.encode()).hexdigest()


def _is_current() -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.access(str(PYTHON), os.X_OK) and _stamp().read_text() == _wanted()
    return False


def _install() -> None:
    uv = shutil.which("uv")
    duration = "some seconds" if uv else "about a minute"
    sys.stderr.write(f"Installing the packages of requirements.lock into .venv ({duration}) …\n")
    with contextlib.suppress(FileNotFoundError):
        _stamp().unlink()
    if not _works():
        _make(uv)
    tool = [uv, "pip", "install", "--python", str(PYTHON)] if uv else [str(PYTHON), "-m", "pip", "install"]
    # The lock file holds the whole closure. Were dependencies looked up again, pip would take a newer release for
    # `package[extra]` than the one that stands here, and refuse it for want of a hash.
    packages = [*tool, "-qq", "--no-deps", "--require-hashes", "-r", str(LOCK_FILE)]
    _call(packages, "The packages could not be installed.")
    # setuptools stands in the lock file, so nothing has to be fetched for building.
    own = [*tool, "-qq", "--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    _call(own, "The project itself could not be installed.")
    _stamp().write_text(_wanted())


def _works() -> bool:
    """Whether `.venv/` has a Python that runs; after a system upgrade it may point nowhere."""
    try:
        return subprocess.run([str(PYTHON), "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def _make(uv: "str | None") -> None:
    # Nothing is cleared: the lock that is held lies in the same directory.
    if uv:
        command = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(VENV)]
    else:
        command = [sys.executable, "-m", "venv", str(VENV)]
    _call(command, "Python could not make a virtual environment; on Debian and Ubuntu, install python3-venv.")


def _call(command: "list[str]", complaint: str) -> None:
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(complaint + " What is wrong stands above.")
