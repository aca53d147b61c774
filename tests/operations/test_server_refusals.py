"""What keeps `script/server` from starting is one sentence on stderr and a non-zero exit, never a traceback."""

import socket
import subprocess
import sys

import pytest

from tests.operations.running_server import ROOT, free_port, one_sentence, refusal


def test_port_taken(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        assert f"Port {port} on 127.0.0.1 cannot be used" in one_sentence(
            refusal(tmp_path / "data", "--port", port)
        )


@pytest.mark.parametrize("place", ["127.0.0.1:{port}", "localhost", "127.0.0.1"])
def test_metrics_at_an_impossible_place(tmp_path, place):
    port = str(free_port())
    given = {"RIGHTSKEEP_METRICS": place.format(port=port)}
    assert "RIGHTSKEEP_METRICS" in one_sentence(refusal(tmp_path / "data", "--port", port, **given))


def test_data_directory_is_a_file(tmp_path):
    (tmp_path / "data").write_text("in the way")
    sentence = one_sentence(refusal(tmp_path / "data", "--port", str(free_port())))
    assert sentence.startswith(f"The data directory {tmp_path / 'data'} cannot be written")


def test_data_directory_cannot_be_written():
    """/proc refuses even root."""
    sentence = one_sentence(refusal(ROOT.__class__("/proc/rightskeep"), "--port", str(free_port())))
    assert sentence.startswith("The data directory /proc/rightskeep cannot be written")


def test_database_unreachable(tmp_path):
    """The sentence names the place and keeps the password to itself."""
    address = f"postgres://someone:very-secret@127.0.0.1:{free_port()}/rightskeep"
    done = refusal(tmp_path / "data", "--port", str(free_port()), RIGHTSKEEP_DATABASE_URL=address)
    sentence = one_sentence(done)
    assert "The database rightskeep on 127.0.0.1 cannot be reached" in sentence
    assert "very-secret" not in sentence


PRODUCTION = {
    "RIGHTSKEEP_PRODUCTION": "1",
    "RIGHTSKEEP_PUBLIC_URL": "https://rightskeep.example",
    "RIGHTSKEEP_BROKER_URL": "redis://127.0.0.1:6379/15",
    "RIGHTSKEEP_SECRET_KEY": "s" * 50,
    "RIGHTSKEEP_KEK": "k" * 50,
    "RIGHTSKEEP_API_PEPPER": "p" * 50,
}


@pytest.mark.parametrize("missing", sorted(set(PRODUCTION) - {"RIGHTSKEEP_PRODUCTION"}))
def test_nothing_is_made_up_in_production(tmp_path, missing):
    given = {name: value for name, value in PRODUCTION.items() if name != missing}
    sentence = one_sentence(refusal(tmp_path / "data", "--port", str(free_port()), **given))
    assert missing in sentence
    assert "missing" in sentence
    assert not (tmp_path / "data" / "secrets").exists()


def test_http_address_in_production(tmp_path):
    given = {**PRODUCTION, "RIGHTSKEEP_PUBLIC_URL": "http://rightskeep.example"}
    assert "https://" in one_sentence(refusal(tmp_path / "data", "--port", str(free_port()), **given))


def test_short_secret(tmp_path):
    given = {**PRODUCTION, "RIGHTSKEEP_KEK": "correct horse"}
    assert "RIGHTSKEEP_KEK is too short" in one_sentence(
        refusal(tmp_path / "data", "--port", str(free_port()), **given)
    )


def test_too_old_python():
    """The launcher says so itself; it is read by the old Python, so its version is all that is pretended here."""
    pretend = (
        "import sys; sys.path.insert(0, 'script'); import bootstrap; sys.version_info = (3, 8, 10); "
        "bootstrap.shutil.which = lambda name: None; bootstrap.run('none')"
    )
    done = subprocess.run(
        [sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.strip() == "Rightskeep needs Python 3.11 or newer; this is Python 3.8."
