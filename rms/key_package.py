"""The package in which an organization takes its keys along: docs/formats/key-export.md.

One ZIP file. `manifest.json` lists every other member with its SHA-256, and `manifest.sig` is the organization's
signature under it. Private keys lie in it only wrapped for the recipient (`rms.key_wrapping`).
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rms.errors import FormatError, SealError
from rms.key_wrapping import unwrap_private_key
from rms.xrml.public_key import PublicKey

FORMAT: Final = "rightskeep-key-export"
VERSION: Final = 1
# What is signed begins with this: no license and no integrity record does.
LABEL: Final = b"rightskeep-key-export-manifest-v1\n"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
TEMPLATES: Final = "templates.json"
SETTINGS: Final = "settings.json"
DOCUMENTS: Final = "documents.json"
MAX_PACKAGE: Final = 64 * 2**20
_MAX_MEMBERS: Final = 10_000
# The same bytes for the same content.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {"sha256": hashes.SHA256, "sha1": hashes.SHA1}


class PackageError(FormatError):
    """The file is no key package, or not as it was signed; the text says which."""

    code = "bad_package"


@dataclass(frozen=True)
class PackagedKey:
    """A key as the manifest describes it. `wrapped` is empty for one whose private half is not in the package."""

    fingerprint: str
    state: str
    oaep_hash: str
    public_key: PublicKey
    facts: Mapping[str, Any]
    wrapped: bytes = field(default=b"", repr=False)

    @property
    def why_absent(self) -> str:
        """Why the private half is not there; empty when it is."""
        return str(self.facts.get("absent") or "")


@dataclass(frozen=True)
class Package:
    """A package whose digests and signature have been checked with the keys that it names itself."""

    manifest: Mapping[str, Any]
    keys: Mapping[str, PackagedKey]
    members: Mapping[str, bytes] = field(repr=False)
    signed_by: str = ""


class RecipientKey:
    """The private key of whom a package was made for. It opens wrapped keys, and never shows itself."""

    def __init__(self, data: bytes, password: bytes | None = None) -> None:
        """Raises `ValueError` with a sentence that says nothing of the key; `TypeError` when a password is missing."""
        pem = data.lstrip().startswith(b"-----")
        load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
        try:
            key = load(data, password)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError("This is no private key in PEM or DER, or its password is wrong.") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("The recipient's key is not an RSA key.")
        self.fingerprint = PublicKey.from_numbers(key.public_key().public_numbers().n).fingerprint
        self._der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def __repr__(self) -> str:
        return f"<RecipientKey {self.fingerprint[:16]}>"

    def open(self, key: PackagedKey) -> Callable[[bytes], bytes]:
        """The RSA-OAEP private operation of a key in the package. Raises `SealError`."""
        try:
            private = serialization.load_der_private_key(self.unwrap(key), None)
        except ValueError as error:  # the right modulus, and other numbers that do not belong to it
            raise SealError from error
        assert isinstance(private, rsa.RSAPrivateKey)  # `unwrap` has looked
        algorithm = _HASHES[key.oaep_hash]
        oaep = padding.OAEP(padding.MGF1(algorithm()), algorithm(), None)

        def decrypt(block: bytes) -> bytes:
            try:
                return private.decrypt(block, oaep)
            except ValueError as error:
                raise SealError from error

        return decrypt

    def unwrap(self, key: PackagedKey) -> bytes:
        """The private key (PKCS #8 DER), which has to belong to the public half in the manifest. Raises `SealError`."""
        der = unwrap_private_key(key.wrapped, self._der)
        try:
            private = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SealError from error
        numbers = private.public_key().public_numbers() if isinstance(private, rsa.RSAPrivateKey) else None
        if numbers is None or numbers.n != key.public_key.modulus:
            raise SealError
        return der


def read_recipient(pem: bytes) -> PublicKey:
    """The public key in PEM that a package is to be made for. Raises `ValueError` unless it is RSA with exponent 65537."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not a public key in PEM") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.public_numbers().e != 65537:
        raise ValueError("not an RSA key with the exponent 65537")
    return PublicKey.from_numbers(key.public_numbers().n)


def write_package(
    facts: Mapping[str, Any], members: Mapping[str, bytes], *, signer: str, sign: Callable[[bytes], bytes]
) -> bytes:
    """The package with `facts` in its manifest; `sign` is RSASSA-PKCS1-v1_5 with SHA-256 of the key `signer`."""
    listed = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in members.items()
    }
    manifest = {"format": FORMAT, "version": VERSION, **facts, "signed_by": signer, "members": listed}
    text = json.dumps(manifest, ensure_ascii=False, indent=2).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {MANIFEST: text, SIGNATURE: sign(LABEL + text), **members}.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), data)
    return target.getvalue()


def read_package(data: bytes) -> Package:
    """The package, with every member as the manifest lists it and the manifest as its key signed it.

    That proves it whole and unaltered since that key signed; whose key that is, the reader has to know. Raises
    `PackageError`.
    """
    members = _members(data)
    try:
        text, signature = members.pop(MANIFEST), members.pop(SIGNATURE)
        manifest = json.loads(text)
        if manifest["format"] != FORMAT or manifest["version"] != VERSION:
            raise PackageError("This is no key package, or one of a later version.")
        listed = {name: str(entry["sha256"]) for name, entry in manifest["members"].items()}
        keys = {key.fingerprint: key for key in (_key(entry, members) for entry in manifest["keys"])}
        signed_by = str(manifest["signed_by"])
        signer = keys[signed_by].public_key
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise PackageError("This is no key package: its manifest cannot be read.") from error
    if not signer.verify(LABEL + text, signature):
        raise PackageError("The manifest of this package is not as it was signed.")
    if listed != {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}:
        raise PackageError("What is in this package is not what its manifest lists.")
    return Package(manifest, keys, members, signed_by)


def _members(data: bytes) -> dict[str, bytes]:
    if len(data) > MAX_PACKAGE:
        raise PackageError(f"Key packages are smaller than {MAX_PACKAGE // 2**20} MiB.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            # Stored, so that nothing is larger than the file itself.
            if len(entries) > _MAX_MEMBERS or any(e.compress_type != zipfile.ZIP_STORED for e in entries):
                raise PackageError("This is no key package: its members are stored as they are.")
            if len({entry.filename for entry in entries}) != len(entries):
                raise PackageError("This is no key package: a member is there twice.")
            if sum(entry.file_size for entry in entries) > len(data):
                raise PackageError("This is no key package: its members overlap.")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, OverflowError) as error:
        raise PackageError("This is no key package: it is not a ZIP file, or damaged.") from error


def _key(entry: Any, members: Mapping[str, bytes]) -> PackagedKey:
    public = PublicKey.from_numbers(int(entry["modulus"], 16))
    if public.fingerprint != entry["fingerprint"] or entry["oaep_hash"] not in _HASHES:
        raise ValueError("a key that is not the one it says")
    wrapped = members[entry["private"]] if entry["private"] else b""
    return PackagedKey(
        public.fingerprint, str(entry["state"]), entry["oaep_hash"], public, dict(entry), wrapped
    )
