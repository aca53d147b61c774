"""`script/server`: prepares the installation, runs web, worker and beat, and keeps them running."""

import argparse
import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from script.supervision import claim
from script.supervision.processes import Child, stop

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 180.0


class Stop(Exception):  # noqa: N818  (not an error: the ordinary way out)
    """Ctrl-C, SIGTERM, or the terminal has gone."""


def main() -> None:
    """Run until told to stop. Every reason not to is one sentence on stderr and a non-zero exit."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)
    try:
        _serve(options)
    except claim.RefusalError as refusal:
        sys.exit(str(refusal))
    except Stop:
        sys.exit(0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/server", description="Start Rightskeep: web, worker and beat."
    )
    parser.add_argument("--port", type=int, default=8000, help="where to listen (default: 8000)")
    parser.add_argument(
        "--bind", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)"
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="web processes (default: 2)")
    parser.add_argument("--no-demo", action="store_true", help="do not make the demo organizations")
    options = parser.parse_args()
    if not 0 < options.port < 65536:
        parser.error("a port is a number from 1 to 65535")
    return options


def _on_signal(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Stop


def _serve(options: argparse.Namespace) -> None:
    data_dir = Path(os.environ.get("RIGHTSKEEP_DATA_DIR", "").strip() or ROOT / "var").expanduser().absolute()
    environment = _environment(data_dir, options)
    # Held until this process ends, however it ends.
    with claim.claim(data_dir):
        if left := claim.end_leftovers(data_dir):
            _say(f"Ended {left} processes that an earlier server had left behind.")
        claim.check_port(options.bind, options.port)
        if _metrics(environment).endswith(f":{options.port}"):
            raise claim.RefusalError(
                "RIGHTSKEEP_METRICS names the public port; metrics need one of their own."
            )
        if sign_ins := _prepare(options, environment):
            # At once: whatever happens next, a random password is not told a second time.
            print(f"\n{sign_ins.rstrip()}\n", flush=True)
        children = _children(options, environment, data_dir)
        try:
            for child in children:
                child.start()
            _wait_until_ready(options, environment, children)
            print(
                f"\nRightskeep is ready: {environment['RIGHTSKEEP_PUBLIC_URL']}\nCtrl-C stops it.\n",
                flush=True,
            )
            _watch(children)
        finally:
            _say("Stopping …")
            stop(children)


def _environment(data_dir: Path, options: argparse.Namespace) -> dict[str, str]:
    environment = {**os.environ, "RIGHTSKEEP_DATA_DIR": str(data_dir), claim.MARK: str(data_dir)}
    environment["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    environment["PYTHONUNBUFFERED"] = "1"
    # In a container everything runs as root, and nothing here accepts pickles.
    environment.setdefault("PYTHONWARNINGS", "ignore::UserWarning:celery.platforms")
    # In production the settings refuse to guess it.
    production = environment.get("RIGHTSKEEP_PRODUCTION", "").strip().lower() not in (
        "",
        "0",
        "false",
        "no",
        "off",
    )
    if not environment.get("RIGHTSKEEP_PUBLIC_URL") and not production:
        environment["RIGHTSKEEP_PUBLIC_URL"] = f"http://127.0.0.1:{options.port}"
    return environment


def _prepare(options: argparse.Namespace, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "script.supervision.preparation"]
    command += ["--no-demo"] if options.no_demo else []
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)  # it has said why
    return done.stdout


def web_command(
    bind: str, port: int, workers: int, application: str = "portal.wsgi:application"
) -> list[str]:
    """How the web server is started; benchmarks start theirs with the same."""
    return [
        str(Path(sys.executable).parent / "granian"), "--interface", "wsgi", "--host", bind, "--port", str(port),
        "--workers", str(workers), "--blocking-threads", "2", "--no-ws", "--respawn-failed-workers",
        "--workers-kill-timeout", "15", "--log-level", "warning", application,
    ]  # fmt: skip


def _children(options: argparse.Namespace, environment: dict[str, str], data_dir: Path) -> list[Child]:
    tools = Path(sys.executable).parent
    celery = [str(tools / "celery"), "--app", "portal", "--quiet"]
    worker = ["worker", "--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    beat = ["beat", "--schedule", str(data_dir / "beat-schedule"), "--loglevel", "WARNING"]
    metrics = [Child("metrics", [sys.executable, str(ROOT / "manage.py"), "serve_metrics"], environment)]
    return [
        Child("web", web_command(options.bind, options.port, options.workers), environment),
        Child("worker", [*celery, *worker], environment),
        Child("beat", [*celery, *beat], environment),
        *(metrics if _metrics(environment) else []),
    ]


def _metrics(environment: dict[str, str]) -> str:
    """Where metrics are wanted, empty for nowhere; the settings check what it says."""
    return environment.get("RIGHTSKEEP_METRICS", "").strip()


def _wait_until_ready(
    options: argparse.Namespace, environment: dict[str, str], children: list[Child]
) -> None:
    deadline = time.monotonic() + READY_SECONDS
    answer = "no answer"
    while time.monotonic() < deadline:
        for child in children:
            child.check()
            if child.has_died:
                raise claim.RefusalError(
                    f"The {child.name} process ended right after its start; the lines above say why."
                )
        answer = _ask_ready(options, environment)
        if answer == "":
            return
        time.sleep(0.1)
    raise claim.RefusalError(f"The server did not become ready within {READY_SECONDS:.0f} seconds: {answer}.")


def _ask_ready(options: argparse.Namespace, environment: dict[str, str]) -> str:
    """Empty when ready, else what was answered instead."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.bind, options.bind)
    host = urlsplit(environment.get("RIGHTSKEEP_PUBLIC_URL", "")).netloc or address
    connection = http.client.HTTPConnection(address, options.port, timeout=10)
    try:
        connection.request("GET", "/readyz", headers={"Host": host})
        response = connection.getresponse()
        body = response.read(2000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return "no answer"
    finally:
        connection.close()
    return "" if response.status == 200 else f"{response.status} {body}"


def _watch(children: list[Child]) -> None:
    while True:
        for child in children:
            if remark := child.check():
                _say(remark)
            if child.is_hopeless:
                raise claim.RefusalError(f"The {child.name} process keeps dying; the lines above say why.")
        time.sleep(0.25)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
