"""Daily files that left the server: what is found out about them later, without it."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from allauth.core.internal import jwkkit

from administration.log_proofs import prove_day
from administration.statements import sign
from audit.aggregation import aggregate, day_file
from keys.custody import oidc_signing_key
from rmsclient.cli.main import main
from rmsclient.log_proofs import KEYS_FILE, SigningKeys, check_folder
from tests.audit.rows import CONTOSO, DAY, FABRIKAM, NOON, add_rows, seconds
from tests.conftest import Device, World

pytestmark = pytest.mark.django_db
ONE = dt.timedelta(days=1)
DAYS = [DAY, DAY + ONE, DAY + 3 * ONE]  # nobody called on the day between


@pytest.fixture
def folder(log_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `admin logs download` leaves: three days, of which the second was begun before the first was complete."""
    add_rows(CONTOSO, seconds(3))
    aggregate()
    add_rows(CONTOSO, seconds(2, NOON + ONE))
    add_rows(FABRIKAM, seconds(3))
    aggregate()
    add_rows(CONTOSO, [NOON + dt.timedelta(hours=11)])
    aggregate()
    add_rows(CONTOSO, seconds(2, NOON + 3 * ONE))
    aggregate()
    made = tmp_path_factory.mktemp("downloads")
    for day in DAYS:
        save(made, CONTOSO, day)
    jwk, _ = jwkkit.load_jwk_from_pem(oidc_signing_key())
    (made / KEYS_FILE).write_text(json.dumps({"keys": [jwk]}))
    return made


def save(folder: Path, tenant_id, day: dt.date) -> None:
    (folder / f"rmslog-{day}.log").write_bytes(b"".join(day_file(tenant_id, day)))
    (folder / f"rmslog-{day}.proof").write_text(f"{prove_day(tenant_id, day)}\n")


def log(folder: Path, number: int, kind: str = "log") -> Path:
    return folder / f"rmslog-{DAYS[number]}.{kind}"


def problems(folder: Path, today: dt.date = dt.date(2026, 3, 5)) -> str:
    return "\n".join(check_folder(folder, SigningKeys.read(folder / KEYS_FILE), today=today).problems)


def test_untouched_files_are_what_was_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["admin", "logs", "verify", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["intact"], found["rows"], found["log"]) == (True, 8, str(CONTOSO))
    assert found["days"] == [str(day) for day in DAYS]
    for kind in ("log", "proof"):
        log(folder, 0, kind).unlink()
    assert "Part 3 of the log is missing" in problems(folder)  # the late row of the first day


def alter_a_row(folder: Path) -> None:
    text = log(folder, 0).read_bytes()
    log(folder, 0).write_bytes(text.replace(b"'Success'", b"'Refused'", 1))


def cut_a_row(folder: Path) -> None:
    log(folder, 2).write_bytes(log(folder, 2).read_bytes().rsplit(b"\n", 2)[0] + b"\n")


def add_a_row(folder: Path) -> None:
    log(folder, 2).write_bytes(
        log(folder, 2).read_bytes() + log(folder, 2).read_bytes().split(b"\n")[-2] + b"\n"
    )


def exchange_columns(folder: Path) -> None:
    log(folder, 0).write_bytes(log(folder, 0).read_bytes().replace(b"user-id\tresult", b"result\tuser-id"))


def remove_a_day(folder: Path) -> None:
    log(folder, 1).unlink()
    log(folder, 1, "proof").unlink()


def remove_a_file(folder: Path) -> None:
    log(folder, 1).unlink()


def exchange_days(folder: Path) -> None:
    for kind in ("log", "proof"):
        first, second = log(folder, 0, kind).read_bytes(), log(folder, 1, kind).read_bytes()
        log(folder, 0, kind).write_bytes(second)
        log(folder, 1, kind).write_bytes(first)


def alter_a_proof(folder: Path) -> None:
    text = log(folder, 0, "proof").read_text()
    middle = len(text) // 2
    log(folder, 0, "proof").write_text(
        text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]
    )


def remove_a_proof(folder: Path) -> None:
    log(folder, 2, "proof").unlink()


def use_another_statement(folder: Path) -> None:
    log(folder, 0, "proof").write_text(sign({"iss": "x"}, "removal-receipt+jwt"))


def take_another_log(folder: Path) -> None:
    save(folder, FABRIKAM, DAY)


def put_garbage(folder: Path) -> None:
    log(folder, 0, "proof").write_bytes(b"\xff.\x00.[")


@pytest.mark.parametrize(
    ("attack", "sentence"),
    [
        (alter_a_row, "altered, removed or added in its rows 1 to 3"),
        (cut_a_row, "altered, removed or added in its rows 1 to 2"),
        (add_a_row, "rows were added at its end"),
        (exchange_columns, "its header was altered"),
        (remove_a_day, "Part 2 of the log is missing"),
        (remove_a_file, "is missing; its proof is here"),
        (exchange_days, "files were exchanged"),
        (alter_a_proof, "altered"),
        (remove_a_proof, "has no proof beside it"),
        (use_another_statement, "of another kind"),
        (take_another_log, "another organization"),
        (put_garbage, "not a proof"),
    ],
)
def test_what_was_done_to_them_is_found(
    folder: Path, attack: Callable[[Path], None], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    attack(folder)
    assert sentence in problems(folder, DAYS[2] + 5 * ONE)
    assert main(["admin", "logs", "verify", str(folder)]) == 5
    assert sentence in capsys.readouterr().out


def test_proofs_by_another_key_do_not_count(folder: Path, tmp_path: Path) -> None:
    keys = json.loads((folder / KEYS_FILE).read_text())
    keys["keys"][0]["n"] = keys["keys"][0]["n"][:-2] + ("Aw" if keys["keys"][0]["n"][-2:] != "Aw" else "BQ")
    (tmp_path / "kept.json").write_text(json.dumps(keys))
    assert main(["admin", "logs", "verify", str(folder), "--key", str(tmp_path / "kept.json")]) == 5


def test_who_gets_a_proof(world: World, device: Callable[[str], Device]) -> None:
    add_rows(world.contoso.id, seconds(3))
    aggregate()
    path = f"/api/v1/logs/usage/{DAY}/proof/"
    answer = device("alice").get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/jose")
    assert answer.content.decode().strip() == prove_day(world.contoso.id, DAY)
    refused = {name: device(name).get(path).status_code for name in ("bob", "mallory", "erin", "")}
    assert refused == {"bob": 403, "mallory": 404, "erin": 403, "": 401}


def test_todays_file_is_not_checked_and_no_problem(folder: Path) -> None:
    today = DAYS[2] + ONE
    shutil.copy(log(folder, 2), folder / f"rmslog-{today}.log")
    assert problems(folder, today) == ""
    add_rows(CONTOSO, seconds(1, NOON + 4 * ONE))  # not in a part yet
    assert prove_day(CONTOSO, DAYS[2] + ONE) is None
    assert prove_day(CONTOSO, dt.datetime.now(dt.UTC).date()) is None
