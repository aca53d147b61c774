import base64
import hashlib
import io
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rms.ciphers import Decryptor, Encryptor
from rms.content_key import CipherMode, ContentKey
from rms.errors import FormatError, NotProtectedError, UnsupportedVersionError
from rms.pfile import MAX_LICENSE, build_header, original_name, protected_name, read_header, safe_extension
from tests.rms.licenses import SAMPLES

LICENSE = b"<XrML>not looked at</XrML>"
SECTIONS = ("extension", "license", "metadata")


def parse(data: bytes):
    return read_header(io.BytesIO(data))


def make(
    version: tuple[int, int] = (3, 0),
    *,
    header_size: int | None = None,
    clear: bytes = b"Protected.",
    clear_length: int | None = None,
    extension: bytes = b".txt",
    license: bytes = LICENSE,
    metadata: bytes = b"",
    content: bytes = bytes(16),
    original_size: int = 3,
    **changes: int,
) -> bytes:
    """A file laid out as other software does it; `changes` give header fields another value than the true one."""
    natural = 24 if version < (2, 1) else 40
    size = header_size or natural
    start = 18 + len(clear)
    offsets: dict[str, int] = {}
    at = start + size
    for name, part in zip(SECTIONS, (extension, license, metadata), strict=True):
        offsets[f"{name}_offset"], offsets[f"{name}_length"] = at, len(part)
        at += len(part)
    fields = {"header_size": size, "content_offset": at, **offsets, **changes}
    header = struct.pack(
        "<6I",
        fields["header_size"],
        fields["extension_offset"],
        fields["extension_length"],
        fields["license_offset"],
        fields["license_length"],
        fields["content_offset"],
    )
    if version >= (2, 1):
        header += struct.pack("<QII", original_size, fields["metadata_offset"], fields["metadata_length"])
    front = (
        b".pfile" + struct.pack("<3I", *version, len(clear) if clear_length is None else clear_length) + clear
    )
    return front + header.ljust(size, b"\xee")[:size] + extension + license + metadata + content


@settings(max_examples=80)
@given(
    st.binary(min_size=1, max_size=300),
    st.sampled_from(["", ".txt", ".DOCX", ".c++", ".größe"]),
    st.text(max_size=50),
    st.binary(max_size=100),
    st.one_of(st.none(), st.integers(1, 2**64 - 2)),
    st.binary(max_size=40),
)
def test_what_is_written_is_read(license, extension, clear_text, metadata, original_size, content):
    header = build_header(
        license=license,
        extension=extension,
        clear_text=clear_text,
        metadata=metadata,
        original_size=original_size,
    )
    file = parse(header.data + content)
    assert file.version == (3, 0)
    assert (file.license, file.extension, file.clear_text) == (license, extension, clear_text)
    assert (file.metadata, file.original_size) == (metadata, original_size)
    assert (file.content_offset, file.content_length) == (len(header.data), len(content))
    assert header.data[header.metadata_offset :][: header.metadata_length] == metadata


def test_places_to_patch():
    header = build_header(license=LICENSE, extension=".txt", metadata=bytes(8))
    data = bytearray(header.data + bytes(16))
    data[header.original_size_offset :][:8] = bytes(8)
    struct.pack_into("<Q", data, header.original_size_offset, 1234)
    data[header.metadata_offset : header.metadata_offset + 8] = b"metadata"
    file = parse(bytes(data))
    assert (file.original_size, file.metadata, file.license) == (1234, b"metadata", LICENSE)


@pytest.mark.parametrize(
    ("version", "header_size"),
    [((2, 0), 24), ((2, 0), 48), ((2, 1), 40), ((2, 1), 48), ((3, 0), 40), ((3, 7), 48)],
)
def test_versions_and_header_sizes_that_are_read(version, header_size):
    metadata = b"" if version == (2, 0) else b"other software's"
    file = parse(make(version, header_size=header_size, metadata=metadata))
    assert (file.version, file.extension, file.license, file.metadata) == (version, ".txt", LICENSE, metadata)
    assert file.content_length == 16
    assert file.original_size == (None if version == (2, 0) else 3)


@pytest.mark.parametrize("version", [(0, 0), (1, 0), (1, 9), (4, 0), (0xFFFFFFFF, 0)])
def test_other_versions_are_named_in_the_error(version):
    with pytest.raises(UnsupportedVersionError, match=rf"{version[0]}\.{version[1]}"):
        parse(make(version))


@pytest.mark.parametrize(
    "data", [b"", b".pfil", b"%PDF-1.7", b"PK\x03\x04" + bytes(100), b".PFILE" + bytes(100)]
)
def test_other_files_are_not_protected_ones(data):
    with pytest.raises(NotProtectedError):
        parse(data)


@pytest.mark.parametrize("unknown", [0, 0xFFFFFFFFFFFFFFFF])
def test_unknown_original_size(unknown):
    assert parse(make(original_size=unknown)).original_size is None


def test_ecb_means_cbc4k_up_to_version_2():
    key = ContentKey(bytes(16), CipherMode.ECB)
    assert parse(make((2, 1))).content_key(key) == ContentKey(bytes(16), CipherMode.CBC4K)
    assert parse(make((3, 0))).content_key(key) == key
    other = ContentKey(bytes(16), CipherMode.CBC512)
    assert parse(make((2, 1))).content_key(other) == other


def test_every_truncation_is_refused_until_the_content_begins():
    data = make(metadata=b"metadata")
    content = parse(data).content_offset
    for length in range(content):
        with pytest.raises(FormatError):
            parse(data[:length])
    assert parse(data[:content]).content_length == 0


HUGE = 0xFFFFFFFF
LIES: dict[str, dict[str, Any]] = {
    "clear text beyond the end": {"clear_length": 10_000},
    "clear text of 4 GiB": {"clear_length": HUGE},
    "header smaller than its fields": {"header_size": 24},
    "header size 0": {"header_size": 0},
    "license beyond the end": {"license_length": 5_000},
    "license far away": {"license_offset": HUGE},
    "license offset and length that wrap at 32 bits": {"license_offset": HUGE, "license_length": 100},
    "no license": {"license_length": 0},
    "extension beyond the end": {"extension_length": HUGE},
    "metadata beyond the end": {"metadata_length": HUGE},
    "content behind the end": {"content_offset": HUGE},
    "content over the license": {"content_offset": 80},
    "content over the header": {"content_offset": 0},
    "license over the header": {"license_offset": 0},
    "license over the extension": {"license_offset": 68},
    "metadata over the license": {"metadata_offset": 75, "metadata_length": 4},
    "extension over the license": {"extension_length": 8},
}


@pytest.mark.parametrize("changes", LIES.values(), ids=LIES)
def test_headers_that_contradict_the_file(changes):
    # A header size is a lie only when the sections stand where the natural size puts them.
    data = bytearray(make(**{name: value for name, value in changes.items() if name != "header_size"}))
    if "header_size" in changes:
        struct.pack_into("<I", data, 28, changes["header_size"])
    with pytest.raises(FormatError):
        parse(bytes(data))


def test_sections_behind_the_content_are_refused():
    data = make(content=bytes(64))
    with pytest.raises(FormatError):
        parse(make(content=bytes(64), metadata_offset=len(data) - 16, metadata_length=16))


def test_a_license_over_the_limit_is_refused_before_it_is_read():
    with pytest.raises(FormatError, match="license is longer"):
        parse(make(license=bytes(MAX_LICENSE + 1)))
    assert len(parse(make(license=bytes(MAX_LICENSE))).license) == MAX_LICENSE


def test_other_parts_have_limits_too():
    with pytest.raises(FormatError, match="metadata is longer"):
        parse(make(metadata=bytes((1 << 20) + 1)))
    with pytest.raises(FormatError, match="extension is longer"):
        parse(make(extension=bytes(1025)))


def test_a_huge_clear_text_is_refused():
    with pytest.raises(FormatError, match="introductory text"):
        parse(make(clear=bytes(65_537)))


def test_writing_refuses_what_reading_would():
    for license in (b"", bytes(MAX_LICENSE + 1)):
        with pytest.raises(ValueError):
            build_header(license=license, extension="")
    with pytest.raises(ValueError):
        build_header(license=LICENSE, extension="", clear_text="x" * 65_537)
    with pytest.raises(ValueError):
        build_header(license=LICENSE, extension="", metadata=bytes((1 << 20) + 1))
    assert parse(build_header(license=LICENSE, extension="/../x").data).extension == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"../../etc/passwd",
        b"./x",
        b".tx\0t",
        b"\\x",
        b"..",
        b".",
        b".a/b",
        b".a b",
        b".exe.",
        b".txt:stream",
        b"." + b"x" * 33,
        b"txt",
        ".\u202etxt".encode(),
        b".\xff\xfe",
        b".a\n",
        b".$(id)",
    ],
)
def test_hostile_extensions_are_dropped(raw):
    assert parse(make(extension=raw)).extension == ""
    assert safe_extension(raw.decode("utf-8", "replace")) == ""


def test_other_softwares_way_to_say_no_extension():
    assert parse(make(extension=b".pfile")).extension == ""
    assert parse(make(extension=b".txt\0")).extension == ".txt"


@pytest.mark.parametrize(
    ("name", "protected"),
    [
        ("a.txt", "a.ptxt"),
        ("a.xml", "a.pxml"),
        ("photo.jpg", "photo.pjpg"),
        ("photo.jpeg", "photo.pjpeg"),
        ("scan.TIF", "scan.ptif"),
        ("x.png", "x.ppng"),
        ("x.bmp", "x.pbmp"),
        ("x.gif", "x.pgif"),
        ("x.jpe", "x.pjpe"),
        ("x.jfif", "x.pjfif"),
        ("x.jt", "x.pjt"),
        ("report.pdf", "report.ppdf"),
        ("letter.docx", "letter.docx.pfile"),
        ("archive.tar.gz", "archive.tar.gz.pfile"),
        ("Makefile", "Makefile.pfile"),
        (".txt", ".txt.pfile"),
        ("a.b.txt", "a.b.ptxt"),
    ],
)
def test_names(name, protected):
    assert protected_name(name) == protected
    extension = name[name.rindex(".") :] if "." in name[1:] else ""
    assert original_name(protected, extension) == name


@pytest.mark.parametrize(
    ("name", "extension", "original"),
    [
        ("renamed.pfile", ".docx", "renamed.docx"),
        ("Version 1.2.pfile", ".docx", "Version 1.2.docx"),
        ("letter.docx.pfile", ".exe", "letter.docx"),  # what the visible name says goes before the header
        ("picture.pjpg", ".exe", "picture.jpg"),
        ("a.ptxt", "", "a.txt"),
        ("a.PTXT", ".Txt", "a.Txt"),
        ("LETTER.DOCX.PFILE", ".docx", "LETTER.DOCX"),
        ("letter (1).pfile", "", "letter (1)"),
        ("letter", ".docx", "letter.docx"),
        ("slides.pptx", ".pptx", "slides.pptx"),
        ("mail.pst", ".pst", "mail.pst"),
        (".pfile", ".txt", "document.txt"),
        ("...pfile", "", "document"),
        ("", ".txt", "document.txt"),
        ("../../etc/passwd.pfile", "", "passwd"),
        ("C:\\dir\\a.ptxt", ".txt", "a.txt"),
        ("a.pfile", "/../x", "a"),
    ],
)
def test_original_names(name, extension, original):
    assert original_name(name, extension) == original


@settings(max_examples=200)
@given(st.text(max_size=30), st.text(max_size=10))
def test_an_original_name_is_never_a_path(name, extension):
    result = original_name(name, extension)
    assert result.strip(". ")
    assert not set("/\\\0") & set(result)


def known_key_files() -> list[dict[str, Any]]:
    path = SAMPLES / "known-key" / "vectors.json"
    return json.loads(path.read_text()) if path.exists() else []


@pytest.mark.skipif(
    not known_key_files(), reason=f"The sample files are not at {SAMPLES}; set RIGHTSKEEP_SAMPLES."
)
def test_files_of_another_program_with_known_keys():
    files = known_key_files()
    assert len(files) == 12
    for vector in files:
        data = (SAMPLES / "known-key" / vector["file"]).read_bytes()
        file = parse(data)
        key = ContentKey(base64.b64decode(vector["content_key"]), CipherMode(vector["cipher_mode"]))
        decryptor, encryptor = Decryptor(file.content_key(key)), Encryptor(key)
        content = data[file.content_offset :]
        plaintext = decryptor.update(content) + decryptor.finalize()
        assert (len(plaintext), file.extension) == (vector["length"], vector["extension"])
        assert hashlib.sha256(plaintext).hexdigest() == vector["sha256"]
        assert encryptor.update(plaintext) + encryptor.finalize() == content


@pytest.mark.parametrize(
    ("name", "version", "content", "original", "metadata"),
    [
        ("linuxTest.txt.pfile", (3, 0), 16, None, 0),
        ("CleanAlice.txt.pfile", (3, 0), 32, None, 0),
        ("mac_template_01.ptxt", (2, 0), 8656, None, 0),
        ("rmsSharingJohnTest.ptxt", (2, 1), 32, 19, 1024),
    ],
)
def test_real_files(name, version, content, original, metadata):
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"The sample files are not at {SAMPLES}; set RIGHTSKEEP_SAMPLES to where they are.")
    with path.open("rb") as source:
        file = read_header(source)
    assert (file.version, file.content_length, file.original_size) == (version, content, original)
    assert (file.extension, len(file.metadata)) == (".txt", metadata)
    assert "protected file viewer" in file.clear_text
