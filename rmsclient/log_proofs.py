"""Checking downloaded usage logs without any server: files, the proofs beside them, and the keys that signed these."""

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from rms.daily_log import PROOF_TYPE, DayProof, LogProofError, find_alteration, find_breaks
from rms.xrml.public_key import PublicKey
from rmsclient.errors import UsageError
from rmsclient.files import write_atomically

KEYS_FILE: Final = "rmslog-keys.json"
_NAME: Final = re.compile(r"rmslog-(\d{4}-\d\d-\d\d)\.(log|proof)")
_MAX_PROOF: Final = 32 * 2**20
_MAX_KEYS: Final = 2**20
_EXPONENT: Final = "AQAB"


@dataclass(frozen=True)
class SigningKeys:
    """Public RSA keys by the name that proofs call them by."""

    by_name: Mapping[str, PublicKey]

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a JSON Web Key Set as `https://server/.well-known/jwks.json` has it. Raises UsageError."""
        try:
            with path.open("rb") as file:
                value = json.loads(file.read(_MAX_KEYS))
            found = {
                str(key["kid"]): PublicKey(int.from_bytes(_unpacked(key["n"]), "big"))
                for key in value["keys"]
                if key.get("kty") == "RSA" and key.get("e") == _EXPONENT
            }
        except FileNotFoundError:
            raise UsageError("no_keys", f"There is no file {path} with the keys of the server.") from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise UsageError("bad_keys", f"{path} is not a JSON Web Key Set.") from None
        if not found:
            raise UsageError("bad_keys", f"{path} holds no RSA key.")
        return cls(found)


def keep_keys(published: object, path: Path) -> bool:
    """Add the keys that a server publishes to the key set at `path`. True when others had been kept, and not these.

    Raises UsageError rather than writing over a file that is no key set.
    """
    known: list[object] = []
    if path.exists():
        SigningKeys.read(path)
        known = json.loads(path.read_bytes())["keys"]
    fresh = published.get("keys") if isinstance(published, dict) else None
    new = [key for key in fresh if key not in known] if isinstance(fresh, list) else []
    if new:
        text = json.dumps({"keys": [*known, *new]}, indent=2)
        write_atomically(path, f"{text}\n".encode(), mode=0o600)
    return bool(known and new)


@dataclass
class Report:
    """What was found in a folder. `problems` are sentences; without any, all `days` are as they were written."""

    days: list[dt.date] = field(default_factory=list)
    rows: int = 0
    unproven: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    issuer: str = ""
    log: str = ""
    fingerprints: set[str] = field(default_factory=set)
    begins_with: int = 0


def check_folder(folder: Path, keys: SigningKeys, *, today: dt.date) -> Report:
    """Check every day's file in `folder` against its proof, and all of them against each other.

    Files of today and yesterday may lack a proof, if they are the newest: these days were not closed when they were
    downloaded. Raises UsageError when there is no usage log at all.
    """
    files, proofs = _days(folder, "log"), _days(folder, "proof")
    if not files and not proofs:
        raise UsageError("no_logs", f"There are no usage logs (rmslog-….log) in {folder}.")
    report, good = Report(), []
    for day in sorted(proofs):
        try:
            proof, fingerprint = read_proof(proofs[day], keys)
            _check_place(proof, day, report)
        except LogProofError as error:
            report.problems.append(f"{proofs[day].name}: {error}")
            continue
        report.issuer, report.log = proof.issuer, proof.log
        report.fingerprints.add(fingerprint)
        good.append(proof)
        _check_file(proof, files.get(day), report)
    report.problems += find_breaks(good)
    report.begins_with = min((part.number for proof in good for part in proof.parts), default=0)
    _look_at_unproven(files, proofs, today, report)
    return report


def read_proof(path: Path, keys: SigningKeys) -> tuple[DayProof, str]:
    """A proof and the fingerprint of the key that signed it. Raises `LogProofError`."""
    with path.open("rb") as file:
        signed, _, signature = file.read(_MAX_PROOF).strip().rpartition(b".")
    try:
        header, claims = (json.loads(_unpacked(part)) for part in signed.split(b"."))
        kind, name = (header["typ"], header["alg"]), header.get("kid")
        raw = _unpacked(signature)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise LogProofError("This is not a proof of a day's log, or it was altered.") from None
    key = keys.by_name.get(name) if isinstance(name, str) else None
    if kind != (PROOF_TYPE, "RS256"):
        raise LogProofError("This is a signed statement of another kind, not a proof of a day's log.")
    if key is None:
        raise LogProofError("It was signed with a key that is not among those of the server.")
    if not key.verify(signed, raw):
        raise LogProofError("The proof was altered: its signature does not fit.")
    if not isinstance(claims, dict):
        raise LogProofError("This proof of a day's log has another form than it should have.")
    return DayProof.from_claims(claims), key.fingerprint


def _days(folder: Path, kind: str) -> dict[dt.date, Path]:
    found = {}
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match is not None and match[2] == kind:
            try:
                found[dt.date.fromisoformat(match[1])] = path
            except ValueError:
                continue  # no such day: no log of ours
    return found


def _check_place(proof: DayProof, day: dt.date, report: Report) -> None:
    if proof.day != day:
        raise LogProofError(f"This is the proof of {proof.day}: files were exchanged.")
    if report.log and (proof.issuer, proof.log) != (report.issuer, report.log):
        raise LogProofError("It belongs to the log of another organization than the days before it.")


def _check_file(proof: DayProof, path: Path | None, report: Report) -> None:
    if path is None:
        report.problems.append(f"rmslog-{proof.day}.log is missing; its proof is here.")
        return
    with path.open("rb") as file:
        alteration = find_alteration(proof, file)
    if alteration is not None:
        report.problems.append(f"{path.name}: {alteration}.")
        return
    report.days.append(proof.day)
    report.rows += sum(part.rows for part in proof.parts)


def _look_at_unproven(
    files: Mapping[dt.date, Path], proofs: Mapping[dt.date, Path], today: dt.date, report: Report
) -> None:
    newest_proof = max(proofs, default=dt.date.min)
    for day in sorted(files.keys() - proofs.keys()):
        if day > newest_proof and day >= today - dt.timedelta(days=1):
            report.unproven.append(files[day].name)
        else:
            report.problems.append(f"{files[day].name} has no proof beside it. Download this day again.")
    if report.unproven and not proofs:
        report.problems.append("No day here has a proof yet, so nothing could be checked.")


def _unpacked(text: str | bytes) -> bytes:
    raw = text.encode("ascii") if isinstance(text, str) else text
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
