"""A chain of signed XrML documents: split, parsed and verified (protocol.md section 2.1)."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from rms.errors import LicenseError, SignatureError, UnsupportedVersionError
from rms.xrml.public_key import DigestName, PublicKey, read_public_key
from rms.xrml.text import decode_base64, parse_xml, parts, text_of

MAX_SIZE: Final = 1024 * 1024
# The longest chains seen have eight documents; each costs a signature verification.
MAX_DOCUMENTS: Final = 32
# Twice what a license of our own can have in 1 MiB; an element costs far more memory than its text.
MAX_TAGS: Final = 65536
RIGHTS_LABEL: Final = "Microsoft Rights Label"
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_UTF16_BOM: Final = b"\xff\xfe"
_BETWEEN: Final = re.compile(r"[\s\ufeff]*+(?:<\?xml\s[^<>?]{0,200}+\?>\s*+)?+")
_OPENING: Final = re.compile(
    r"""<XrML((?:\s++[\w:.-]++\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+'))*+)\s*+>\s*+""",
)
_VERSION: Final = re.compile(r"""\sversion\s*+=\s*+["']([^"']{0,20}+)""")
_DIGESTS: Final[dict[str, DigestName]] = {
    "SHA256": "sha256",
    "SHA-256": "sha256",
    "SHA1": "sha1",
    "SHA-1": "sha1",
}
_SIGNATURE_ALGORITHM: Final = "RSA PKCS#1-V1.5"


@dataclass(frozen=True)
class Party:
    """An ISSUER or a PRINCIPAL: who it is, its key if it has one, and what SECURITYLEVEL says of it."""

    kind: str
    id: str
    name: str
    key: PublicKey | None
    levels: dict[str, str]


@dataclass(frozen=True)
class Document:
    """One XrML document whose signature verified with the key of its own ISSUER.

    That makes it unaltered since that key signed it, and nothing more: whether the key is one to trust is for
    the caller to know. `issued_keys` are those of ISSUEDPRINCIPALS that this library can use; they are read in
    chains only.
    """

    body: str = field(repr=False)
    type: str
    issuer: Party
    key: PublicKey
    digest: DigestName
    issued_keys: tuple[PublicKey, ...] = ()


def parse_documents(data: bytes) -> tuple[Document, ...]:
    """Every document of a license or certificate chain, leaf first; errors as of `parse_license`."""
    return read_chain(data)[0]


def read_chain(data: bytes) -> tuple[tuple[Document, ...], Element]:
    """Every document of a chain, leaf first, each with a verified signature, and the BODY of the leaf.

    Reads UTF-8 with or without byte order mark and UTF-16LE, and strips trailing NULs. Raises LicenseError for what
    is unreadable, SignatureError for what was altered, UnsupportedVersionError for another XrML than 1.2.
    """
    texts = _split(_decode(data))
    read = [_read_document(text, chained=len(texts) > 1) for text in texts]
    documents = tuple(document for document, _ in read)
    _check_links(documents)
    return documents, read[0][1]


def _read_party(element: Element) -> Party:
    found = parts(element)
    levels: dict[str, str] = {}
    for level in element.findall("SECURITYLEVEL"):
        name = level.get("name", "")
        if name in levels:
            raise LicenseError("This license states a security level twice.")
        levels[name] = level.get("value", "")
    key, described = found.get("PUBLICKEY"), found.get("OBJECT")
    details = {} if described is None else parts(described)
    return Party(
        kind="" if described is None else described.get("type", ""),
        id=text_of(details.get("ID")).strip(),
        name=text_of(details.get("NAME")),
        key=None if key is None else read_public_key(key),
        levels=levels,
    )


def _read_issued_keys(principals: Element | None) -> tuple[PublicKey, ...]:
    found = []
    for principal in () if principals is None else principals.findall("PRINCIPAL"):
        element = parts(principal).get("PUBLICKEY")
        if element is not None:
            try:
                found.append(read_public_key(element))
            except LicenseError:
                # A certificate may name keys of other kinds; they then vouch for nothing.
                continue
    return tuple(found)


def _decode(data: bytes) -> str:
    if len(data) > MAX_SIZE:
        raise LicenseError("This license is larger than 1 MiB.")
    wide = data.startswith(_UTF16_BOM) or (data[:1] != b"\0" and data[1:2] == b"\0")
    # The byte order mark goes first: with it the text could not be kept in one byte per character, and
    # everything after would take several times as long.
    data = data.removeprefix(_UTF16_BOM if wide else _UTF8_BOM)
    try:
        text = data.decode("utf-16-le" if wide else "utf-8")
    except UnicodeDecodeError:
        raise LicenseError("This license is not valid Unicode text.") from None
    return text.rstrip("\0 \t\r\n")


def _split(text: str) -> list[str]:
    documents: list[str] = []
    position = _skip(text, 0)
    while position < len(text):
        if not text.startswith("<XrML", position):
            raise LicenseError("This is not a license: no XrML document begins where one should.")
        end = text.find("</XrML>", position)
        if end < 0:
            raise LicenseError("This license is cut off: its XrML document does not end.")
        if len(documents) == MAX_DOCUMENTS:
            raise LicenseError(f"This license is a chain of more than {MAX_DOCUMENTS} documents.")
        documents.append(text[position:end])
        position = _skip(text, end + len("</XrML>"))
    if not documents:
        raise LicenseError("This license is empty.")
    return documents


def _skip(text: str, position: int) -> int:
    between = _BETWEEN.match(text, position)
    return between.end() if between else position


def _read_document(text: str, *, chained: bool) -> tuple[Document, Element]:
    body, signature = _cut(text)
    # The key stands inside what it signs, and anyone may sign with a key of their own, so verifying cannot
    # shield the parser. What counts: the substring parsed is the very one verified, and only its key is used
    # before.
    tree = parse_xml(body, "body")
    sections = parts(tree)
    issuer = _read_party(sections["ISSUER"]) if "ISSUER" in sections else None
    if issuer is None or issuer.key is None:
        raise LicenseError("This license does not name the key it was signed with.")
    digest = _verify(body, signature, issuer.key)
    if tree.get("version", "3.0") != "3.0":
        raise UnsupportedVersionError(
            "This license is written in a version of its format that is not supported."
        )
    issued_keys = _read_issued_keys(sections.get("ISSUEDPRINCIPALS")) if chained else ()
    return Document(body, tree.get("type", ""), issuer, issuer.key, digest, issued_keys), tree


def _cut(text: str) -> tuple[str, str]:
    """BODY and SIGNATURE, as they stand, of one document without its end tag.

    Markup is found by searching because `<` cannot stand for itself anywhere in XML once comments, CDATA and
    processing instructions are excluded.
    """
    # The search for one character is many times faster, and licenses rarely have these two.
    if ("!" in text and "<!" in text) or ("?" in text and "<?" in text):
        raise LicenseError(
            "This license contains comments, declarations or instructions, which are not allowed."
        )
    if text.count("<BODY") != 1 or text.count("</BODY") != 1:
        raise LicenseError("A license has exactly one body.")
    if text.count("<") > MAX_TAGS:
        raise LicenseError("This license consists of too many elements.")
    start = text.find("<BODY")
    end = text.find("</BODY>") + len("</BODY>")
    opening = _OPENING.match(text)
    signature = text[end:].strip()
    if opening is None or opening.end() != start or end <= start:
        raise LicenseError("This license is malformed around its body.")
    version = _VERSION.search(opening[1])
    if version and version[1] != "1.2":
        raise UnsupportedVersionError("This license is written in a version of XrML other than 1.2.")
    if not signature:
        raise SignatureError("This license is not signed.")
    if not signature.startswith("<SIGNATURE"):
        raise LicenseError("This license has something else where its signature should be.")
    return text[start:end], signature


def _verify(body: str, signature: str, key: PublicKey) -> DigestName:
    element = parse_xml(signature, "signature")
    found = parts(element)
    stated = found.get("DIGEST")
    details = {} if stated is None else parts(stated)
    name = _DIGESTS.get(text_of(details.get("ALGORITHM")).strip().upper())
    algorithm = text_of(found.get("ALGORITHM")).strip().upper()
    if element.tag != "SIGNATURE" or name is None or algorithm != _SIGNATURE_ALGORITHM:
        raise SignatureError("This license is signed in a way that is not supported.")
    for parameter in () if stated is None else stated.findall("PARAMETER"):
        coding = text_of(parts(parameter).get("VALUE")).strip()
        if parameter.get("name") == "codingtype" and coding != "surface-coding":
            raise SignatureError("This license is signed in a way that is not supported.")
    value = decode_base64(text_of(found.get("VALUE")), "signature")
    digest = hashlib.new(name, body.encode("utf-16-le")).digest()
    stated_digest = details.get("VALUE")
    if stated_digest is not None and decode_base64(text_of(stated_digest), "digest") != digest:
        raise SignatureError("This license was altered after it was signed.")
    if not key.verify_digest(digest, value, name):
        raise SignatureError(
            "The signature of this license is not valid: it was altered or made with another key."
        )
    return name


def _check_links(documents: tuple[Document, ...]) -> None:
    """A certificate later in the chain must have issued the key that signed the leaf.

    More cannot be asked of real chains: two may follow each other, and the certificate of the root is left out.
    """
    if len(documents) > 1 and not any(documents[0].key in other.issued_keys for other in documents[1:]):
        raise SignatureError("The certificates in this license do not belong to the key it was signed with.")
