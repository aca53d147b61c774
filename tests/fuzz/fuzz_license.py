"""Fuzz the readers of XrML: licenses, policies, sealed keys and names.

In the suite a fixed number of cases with a fixed seed (test_fuzz_license.py); by hand as long as you like:

    python tests/fuzz/fuzz_license.py --cases 1000000 [--seed N] [--target NAME]

A finding is any exception other than FormatError. It is printed with the case that reproduces it.
"""

import argparse
import copy
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from rms.errors import FormatError, SealError
from rms.xrml import Grant, LocalName, open_license, parse_license
from rms.xrml.enabling_bits import open_key, seal_key
from rms.xrml.names import parse_names
from rms.xrml.rights_document import build_rights_document, parse_rights_document
from tests.rms.licenses import KEY, cut, issue, make_rights, make_terms, sign_again, signing_key

# fmt: off
TOKENS = (
    b"<BODY>", b"</BODY>", b"<BODY/>", b"</XrML>", b"<XrML>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<!DOCTYPE x>",
    b"<?x ?>", b"&#0;", b"&lt;", b"&x;", b"&#xFFFFFF;", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\r\n",
    b"{", b"}", b'"', b"'", b"<", b">", b"/", b"=", b"-1", b"9" * 30, b"0001-01-01T00:00", b"9999-12-31T23:59:59Z",
    b"<VALUE>", b"</VALUE>", b"<ID>", b"<ISSUER>", b"<NAME/>", b'xmlns="x"', b'xmlns:a="b"', b"<a:b/>", b"size=",
    b"LCID 1:NAME ", b":DESCRIPTION ", b";\n", b"SHA1", b"65537", b"3", b"AAAA", b"====", b"\xc3\xa9", b"\xc2\x85",
    b"\xf4\x90\x80\x80",
)
TEXTS = (
    "", " ", "0", "-1", "9" * 5000, "é", "\U0010ffff", "MS-GUID", "Unspecified", "Internal", "Owner", "SHA1", "65537",
    "{00000000-0000-0000-0000-000000000000}", "0001-01-01T00:00", "9999-12-31T23:59:59Z", "2025-02-30T00:00",
    "Encrypted-Rights-Data", "RIGHTSKEEP", "Rightskeep.Sealed", "Tenant-ID", "modulus", "AAAA", "AAA", "=" * 9, "true",
)
# fmt: on
SESSION = bytes(range(32))
BINDING = bytes(range(32, 64))


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to six small injuries: bytes changed, pieces lost, doubled, moved, or markup put in."""
    result = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(result) + 1)
        length = min(rng.choice((1, 2, 4, 16, 64, 400)), len(result) - at)
        match rng.randrange(6):
            case 0 if at < len(result):
                result[at] ^= 1 << rng.randrange(8)
            case 1:
                del result[at : at + length]
            case 2:
                result[at:at] = result[at : at + length]
            case 3:
                piece = result[at : at + length]
                del result[at : at + length]
                to = rng.randrange(len(result) + 1)
                result[to:to] = piece
            case 4:
                result[at:at] = rng.choice(TOKENS)
            case _:
                result[at : at + length] = rng.choice(TOKENS) * rng.choice((1, 1, 1, 50))
    return bytes(result)


def reshape(data: bytes, rng: random.Random) -> bytes:
    """Well-formed XML still, but with elements lost, doubled, moved or renamed, and other texts and attributes."""
    root = ET.fromstring(data)
    for _ in range(rng.randint(1, 4)):
        parents = {child: parent for parent in root.iter() for child in parent}
        element = rng.choice(list(root.iter()))
        parent = parents.get(element)
        match rng.randrange(6):
            case 0 if parent is not None:
                parent.remove(element)
            case 1 if parent is not None:
                parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(element))
            case 2 if parent is not None:
                within = set(element.iter())
                parent.remove(element)
                rng.choice([other for other in root.iter() if other not in within]).append(element)
            case 3:
                element.tag = rng.choice([other.tag for other in root.iter()])
            case 4:
                element.text = rng.choice(TEXTS)
            case _:
                element.set(rng.choice(("type", "id", "name", "value", "days", "version")), rng.choice(TEXTS))
    return ET.tostring(root, encoding="utf-8").removeprefix(b"<?xml version='1.0' encoding='utf-8'?>\n")


class Targets:
    """One method per reader; each takes a source of randomness and may raise FormatError only."""

    def __init__(self) -> None:
        self.key = signing_key("fuzz", 1024)
        terms = make_terms(
            valid_until=make_terms().issued_at,
            referral="mailto:alice@contoso.example",
            signed_application_data=(("name", "value"), ("tab\t", "line\n")),
            names=(LocalName(1033, "Name", "Text"), LocalName(1041, "社外秘", "")),
            sealed=True,
        )
        self.license = issue(terms, key=self.key)
        self.body = cut(self.license)[1].encode()
        self.policy = build_rights_document(
            make_rights(grants=(Grant("a@x", ("VIEW",)), Grant("owner", ("OWNER",))))
        )
        self.bits = seal_key(KEY, SESSION, public_key=self.key.public, oaep_hash="sha256", binding=BINDING)
        self.session = self.key.decrypt(self.bits[:128])
        self.wide = self.license.decode().encode("utf-16-le")

    def license_bytes(self, rng: random.Random) -> None:
        parse_license(mutate(rng.choice((self.license, self.wide, self.license + self.license[3:])), rng))

    def signed_body(self, rng: random.Random) -> None:
        """A hostile BODY under a good signature gets past the verification, to the readers behind it."""
        injure = rng.choice((mutate, reshape, reshape))
        body = injure(self.body, rng).decode("utf-8", "replace")
        license = parse_license(sign_again(self.license, body, self.key))
        assert isinstance(license.names, tuple)
        with suppress(SealError):
            open_license(license, decrypt=self.key.decrypt)

    def policy_bytes(self, rng: random.Random) -> None:
        parse_rights_document(rng.choice((mutate, reshape))(self.policy, rng))

    def sealed_key(self, rng: random.Random) -> None:
        cipher = Cipher(algorithms.AES(SESSION), modes.ECB())
        clear = mutate(cipher.decryptor().update(self.bits[128:]), rng)
        sealed = (
            self.bits[:128]
            + cipher.encryptor().update(clear[: len(clear) // 16 * 16])
            + clear[: rng.randrange(2)]
        )
        answer = mutate(self.session, rng) if rng.random() < 0.5 else self.session
        open_key(sealed, key_size=128, binding=BINDING, decrypt=lambda block: answer)

    def names(self, rng: random.Random) -> None:
        text = "LCID 1033:NAME a:DESCRIPTION b;\nLCID 1041:NAME 社外秘:DESCRIPTION c;\n"
        parse_names(mutate(text.encode(), rng).decode("utf-8", "replace"))


TARGETS: dict[str, Callable[[Targets, random.Random], None]] = {
    "license": Targets.license_bytes,
    "body": Targets.signed_body,
    "policy": Targets.policy_bytes,
    "enabling-bits": Targets.sealed_key,
    "names": Targets.names,
}


def run(name: str, cases: int, seed: int) -> int:
    """Run the cases of one target; the number of those refused with a FormatError. Anything else is raised."""
    targets, refused = Targets(), 0
    for case in range(cases):
        try:
            TARGETS[name](targets, random.Random(f"{seed}/{name}/{case}"))
        except FormatError:
            refused += 1
        except BaseException as error:
            error.add_note(f"found by fuzz target {name!r}, seed {seed}, case {case}")
            raise
    return refused


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the readers of XrML.")
    parser.add_argument("--cases", type=int, default=100_000, help="cases per target")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--target", choices=TARGETS, action="append")
    options = parser.parse_args()
    for name in options.target or TARGETS:
        started = time.monotonic()
        refused = run(name, options.cases, options.seed)
        elapsed = time.monotonic() - started
        sys.stdout.write(
            f"{name}: {options.cases} cases, {refused} refused, nothing found, {elapsed:.1f} s (seed {options.seed})\n"
        )


if __name__ == "__main__":
    main()
