"""A token to test with: SoftHSM, the real library, in a directory of its own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pkcs11 import Attribute, ObjectClass

from keys import keeping
from script.suite import SOFTHSM_LIBRARIES

PIN = "marker-pin-4711"
_PRIVATE = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}


def library() -> str:
    """SoftHSM's library on this machine; empty when it is not installed."""
    return next((path for path in SOFTHSM_LIBRARIES if Path(path).is_file()), "")


@dataclass(frozen=True)
class SoftToken:
    """An initialized token and where it lies."""

    directory: Path

    def configure(self, settings: Any) -> None:
        settings.PKCS11_MODULE = library()
        settings.PKCS11_TOKEN_PIN = PIN

    def pull_out(self) -> None:
        self.directory.rename(self.directory.with_name("pulled"))

    def put_back(self) -> None:
        self.directory.with_name("pulled").rename(self.directory)


def held_in_token() -> list[bytes]:
    """The ids of the private keys that the configured token holds."""
    return keeping._token().run(
        lambda session: [key[Attribute.ID] for key in session.raw.get_objects(_PRIVATE)]
    )


def make_token(place: Path) -> SoftToken:
    directory = place / "tokens"
    directory.mkdir()
    configuration = place / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {directory}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    command = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "rightskeep",
        "--so-pin",
        "1234",
        "--pin",
        PIN,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return SoftToken(directory)
