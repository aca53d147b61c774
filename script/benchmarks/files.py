"""`script/bench files`: protecting and opening one big file, beside `openssl enc -aes-256-cbc` on the same file.

Runs by itself (no service, no database): keys and license are made on the spot. Every measured step is a process of
its own, so that its peak memory can be compared with that of an interpreter that does nothing.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench files", description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024, help="size of the file (default 1024)")
    parser.add_argument("--rounds", type=int, default=3, help="the best of this many counts (default 3)")
    parser.add_argument("--dir", type=Path, help="where the files are written (default: the system's place)")
    parser.add_argument("--step", nargs=2, metavar=("NAME", "DIR"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, directory = options.step
        _run_step(name, Path(directory))
        return
    with tempfile.TemporaryDirectory(prefix="rightskeep-bench-", dir=options.dir) as directory:
        print(json.dumps(_measure(Path(directory), options.mib, options.rounds)))


def _measure(directory: Path, mib: int, rounds: int) -> dict[str, Any]:
    with (directory / "plain").open("wb") as plain:
        for _ in range(mib):
            plain.write(os.urandom(MIB))
    _step("prepare", directory)
    bare = _step("bare", directory)["peak_kib"]
    seconds: dict[str, list[float]] = {"openssl": [], "protect": [], "open": []}
    processor: dict[str, list[float]] = {"openssl": [], "protect": [], "open": []}
    peaks = {"protect": 0, "open": 0}
    for number in range(1, rounds + 1):
        for name, taken in seconds.items():
            before = _children_seconds()
            result = _step(name, directory) if name in peaks else {"seconds": _openssl(directory)}
            taken.append(result["seconds"])
            processor[name].append(_children_seconds() - before)
            if name in peaks:
                peaks[name] = max(peaks[name], result["peak_kib"] - bare)
        print(f"round {number}: " + ", ".join(f"{name} {times[-1]:.2f} s" for name, times in seconds.items()))
    best = {name: min(times) for name, times in seconds.items()}
    busy = {name: min(times) for name, times in processor.items()}
    slower = max("protect", "open", key=lambda name: best[name])
    return {
        "name": "files",
        "figure": round(best[slower], 3),
        "unit": f"seconds to {slower} {mib} MiB",
        "reference": round(best["openssl"], 3),
        "ratio": round(best[slower] / best["openssl"], 2),
        "machine": _machine(),
        "reference_is": "openssl enc -aes-256-cbc",
        "protect_ratio": round(best["protect"] / best["openssl"], 2),
        "open_ratio": round(best["open"] / best["openssl"], 2),
        # Less sensitive to what else the machine does; starting Python and comparing the result are included.
        "processor_time_ratio": {name: round(busy[name] / busy["openssl"], 2) for name in peaks},
        "memory_above_interpreter_mib": {name: round(peak / 1024, 1) for name, peak in peaks.items()},
        "rounds": rounds,
    }


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _settle() -> None:
    # Otherwise a step pays for what the one before it left to be written to disk.
    os.sync()


def _openssl(directory: Path) -> float:
    _settle()
    target = directory / "openssl"
    command = ["openssl", "enc", "-aes-256-cbc", "-K", os.urandom(32).hex(), "-iv", os.urandom(16).hex()]
    start = time.perf_counter()
    subprocess.run([*command, "-in", directory / "plain", "-out", target], check=True)
    taken = time.perf_counter() - start
    target.unlink()
    return taken


def _step(name: str, directory: Path) -> dict[str, Any]:
    _settle()
    command = [sys.executable, __file__, "--step", name, str(directory)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
    )
    return answer


def _run_step(name: str, directory: Path) -> None:
    seconds = {"prepare": _prepare, "bare": lambda _: 0.0, "protect": _protect, "open": _open}[name](
        directory
    )
    print(json.dumps({"seconds": seconds, "peak_kib": _peak_kib()}))


def _peak_kib() -> int:
    # Preferred to getrusage, whose peak starts with what the parent process held at the fork.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def _prepare(directory: Path) -> float:
    """Key, license and signing key of an imaginary organization, left in files for the other steps."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    from rms import xrml
    from rms.content_key import ContentKey

    private = rsa.generate_private_key(65537, 2048)
    tenant_id, content_id, person_id = uuid4(), uuid4(), uuid4()
    address = "alice@contoso.example"
    public = xrml.PublicKey.from_numbers(private.public_key().public_numbers().n)
    issuer = xrml.Issuer(tenant_id, "Contoso", uuid4(), f"http://127.0.0.1:8000/t/{tenant_id}", public)
    rights = xrml.RightsDocument(
        content_id=content_id,
        tenant_id=tenant_id,
        issuer_id=person_id,
        issuer_address=address,
        owner_id=person_id,
        owner_address=address,
        grants=(xrml.Grant("bob@contoso.example", ("VIEW",)),),
    )
    terms = xrml.Terms(
        content_id=content_id,
        issued_at=datetime.now(UTC),
        descriptor_id=uuid4(),
        descriptor_version=None,
        names=(xrml.LocalName(1033, "Benchmark", ""),),
        rights=rights,
        owner_address=address,
        sealed=True,
    )
    key = ContentKey.generate()
    license = xrml.issue_license(
        terms, issuer, key, sign=lambda data: private.sign(data, padding.PKCS1v15(), hashes.SHA256())
    )
    (directory / "license").write_bytes(license)
    (directory / "key").write_bytes(key.value)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "signer").write_bytes(pem)
    return 0.0


def _protect(directory: Path) -> float:
    start = time.perf_counter()
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    from rms.content_key import ContentKey
    from rms.integrity import SealedRecord, encode_record
    from rms.protection import protect
    from rms.xrml import parse_license

    private = serialization.load_pem_private_key((directory / "signer").read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    license = (directory / "license").read_bytes()
    parsed = parse_license(license)

    def seal(root: bytes, length: int) -> bytes:
        record = SealedRecord(
            content_id=parsed.content_id,
            content_length=length,
            root=root,
            publisher_id=uuid4(),
            publisher_address=parsed.owner_address,
            sealed_at=datetime.now(UTC),
            key_fingerprint=parsed.fingerprint,
        )
        return encode_record(
            record, private.sign(record.to_signed_bytes(), padding.PKCS1v15(), hashes.SHA256())
        )

    key = ContentKey((directory / "key").read_bytes())
    with (directory / "plain").open("rb") as source, (directory / "protected").open("wb") as target:
        protect(source, target, license=license, key=key, extension=".bin", seal=seal)
    return time.perf_counter() - start


def _open(directory: Path) -> float:
    start = time.perf_counter()
    from rms.content_key import ContentKey
    from rms.integrity import IntegrityState
    from rms.protection import unprotect

    key = ContentKey((directory / "key").read_bytes())
    with (directory / "protected").open("rb") as source, (directory / "opened").open("wb") as target:
        integrity = unprotect(source, target, key=key)
    taken = time.perf_counter() - start
    if integrity.state is not IntegrityState.UNALTERED:
        raise SystemExit("The file did not come back unaltered.")
    subprocess.run(["cmp", directory / "plain", directory / "opened"], check=True)
    (directory / "protected").unlink()
    (directory / "opened").unlink()
    return taken


def _machine() -> str:
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
