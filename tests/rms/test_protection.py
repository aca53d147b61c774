import io
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rms.ciphers import CHUNK_SIZE, Decryptor, Encryptor
from rms.content_key import CipherMode, ContentKey
from rms.errors import AlteredError, FormatError, LicenseError, NotProtectedError
from rms.integrity import RECORD_SPACE, IntegrityState, SealedRecord, TreeHash, encode_record
from rms.pfile import Pfile, build_header
from rms.protection import check_integrity, inspect, protect, unprotect
from tests.rms.licenses import ALICE, CONTENT, SigningKey, cut, issue, make_terms, sign_again, signing_key
from tests.rms.test_ciphers import data_of, fitting

SEALED_AT = datetime(2025, 1, 31, 9, 16, tzinfo=UTC)
PLAINTEXT = data_of(3 * 4096 + 1000)
KEY = ContentKey(bytes(range(32)))


def service(key: SigningKey | None = None, address: str = "alice@contoso.example"):
    """What the seal endpoint does: builds the record itself from root and length, and signs it."""
    signer = key or signing_key()

    def seal(root: bytes, length: int) -> bytes:
        record = SealedRecord(CONTENT, length, root, ALICE, address, SEALED_AT, signer.public.fingerprint)
        return encode_record(record, signer.sign(record.to_signed_bytes()))

    return seal


@pytest.fixture(scope="module")
def license() -> bytes:
    return issue(make_terms(sealed=True))


@pytest.fixture(scope="module")
def plain_license() -> bytes:
    return issue(make_terms())


@pytest.fixture(scope="module")
def document(license) -> bytes:
    """PLAINTEXT as alice protected it."""
    return protected(license)


def protected(
    license: bytes, plaintext: bytes = PLAINTEXT, key: ContentKey = KEY, sealing: bool = True
) -> bytes:
    target = io.BytesIO()
    seal = service() if sealing else None
    protect(io.BytesIO(plaintext), target, license=license, key=key, extension=".txt", seal=seal)
    return target.getvalue()


def opened(data: bytes, key: ContentKey = KEY) -> tuple[bytes, IntegrityState]:
    target = io.BytesIO()
    integrity = unprotect(io.BytesIO(data), target, key=key)
    return target.getvalue(), integrity.state


def header_of(data: bytes) -> Pfile:
    return inspect(io.BytesIO(data)).file


@settings(max_examples=40)
@given(
    st.sampled_from(list(CipherMode)),
    st.sampled_from((16, 24, 32)),
    st.sampled_from((0, 1, 16, 4095, 4096, 4097, 65_536, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1)),
    st.booleans(),
)
def test_whole_files_round_trip(mode, key_size, size, sealing):
    license = issue(make_terms(sealed=sealing))
    key = ContentKey.generate(key_size * 8, mode)
    plaintext = data_of(fitting(mode, size))
    data = protected(license, plaintext, key, sealing)
    expected = IntegrityState.UNALTERED if sealing else IntegrityState.NO_RECORD
    assert opened(data, key) == (plaintext, expected)
    assert check_integrity(io.BytesIO(data)).state is expected
    file = header_of(data)
    assert (file.version, file.extension, file.license) == ((3, 0), ".txt", license)
    assert file.original_size == (len(plaintext) or None)
    assert len(file.metadata) == (RECORD_SPACE if sealing else 0)


def test_what_protecting_reports(license):
    steps: list[int] = []
    target = io.BytesIO()
    result = protect(
        io.BytesIO(data_of(700_000)),
        target,
        license=license,
        key=KEY,
        extension=".bin",
        seal=service(),
        original_size=700_000,
        progress=steps.append,
    )
    assert (result.original_size, result.content_length) == (700_000, 700_000 // 16 * 16 + 16)
    assert sum(steps) == 700_000
    content = target.getvalue()[header_of(target.getvalue()).content_offset :]
    tree = TreeHash()
    tree.update(content)
    assert (tree.root(), tree.length) == (result.root, result.content_length)
    assert target.tell() == len(target.getvalue())


def test_what_opening_reports(document):
    steps: list[int] = []
    target = io.BytesIO()
    integrity = unprotect(io.BytesIO(document), target, key=KEY, progress=steps.append)
    assert str(integrity) == "unaltered, protected by alice@contoso.example on 2025-01-31 09:16 UTC"
    assert sum(steps) == header_of(document).content_length


def test_inspecting_needs_no_key_and_no_content(document):
    inspection = inspect(io.BytesIO(document[: header_of(document).content_offset]))
    assert inspection.license.owner_address == "alice@contoso.example"
    assert inspection.license.sealed
    assert "application" in inspection.file.clear_text


def test_known_attack_by_a_person_who_may_only_view(document):
    """Mallory may view: she holds the content key. She changes the text, encrypts it again and passes it on."""
    file = header_of(document)
    decryptor = Decryptor(KEY)
    text = bytearray(decryptor.update(document[file.content_offset :]) + decryptor.finalize())
    text[5000:5005] = b"9,999"
    encryptor = Encryptor(KEY)
    forged = encryptor.update(text) + encryptor.finalize()

    kept = document[: file.content_offset] + forged
    assert opened(kept) == (bytes(text), IntegrityState.ALTERED)

    cut_out = build_header(license=file.license, extension=".txt").data + forged
    assert opened(cut_out) == (bytes(text), IntegrityState.ALTERED)

    wiped = bytearray(kept)
    wiped[file.metadata_offset : file.metadata_offset + RECORD_SPACE] = bytes(RECORD_SPACE)
    assert opened(bytes(wiped)) == (bytes(text), IntegrityState.ALTERED)

    mallory = signing_key("mallory")
    tree = TreeHash()
    tree.update(forged)
    own_record = service(mallory)(tree.root(), tree.length)
    own = build_header(license=file.license, extension=".txt", metadata=own_record).data + forged
    assert opened(own) == (bytes(text), IntegrityState.ALTERED)

    version_2 = bytearray(cut_out)
    version_2[6] = 2  # in which there is no metadata
    assert check_integrity(io.BytesIO(bytes(version_2))).state is IntegrityState.ALTERED

    for data in (kept, cut_out, bytes(wiped), own):
        assert str(check_integrity(io.BytesIO(data))) == "altered after protection"


def test_the_attacker_cannot_take_the_promise_out_of_the_license(document):
    file = header_of(document)
    before, body, after = cut(file.license)
    assert body.count("Rightskeep.Sealed") == 1
    unpromised = (before + body.replace("Rightskeep.Sealed", "Rightskeep.Closed") + after).encode()
    with pytest.raises(LicenseError):
        opened(build_header(license=unpromised, extension="").data + document[file.content_offset :])


def test_an_attacker_with_a_key_of_her_own_cannot_pass_for_the_author(document):
    """Her own license and record agree with each other, but they name her key: that is what a reader compares."""
    mallory = signing_key("mallory")
    file = header_of(document)
    with pytest.raises(LicenseError):
        # The author's license with its key in it, signed by hers.
        again = sign_again(file.license, cut(file.license)[1], mallory)
        opened(build_header(license=again, extension="").data + document[file.content_offset :])
    target = io.BytesIO()
    license = issue(make_terms(sealed=True), key=mallory)
    seal = service(mallory)
    protect(io.BytesIO(b"forged"), target, license=license, key=KEY, extension=".txt", seal=seal)
    integrity = check_integrity(target)
    assert integrity.state is IntegrityState.UNALTERED
    assert integrity.record is not None
    assert (
        integrity.record.key_fingerprint == inspect(target).license.fingerprint == mallory.public.fingerprint
    )
    assert integrity.record.key_fingerprint != inspect(io.BytesIO(document)).license.fingerprint


@pytest.mark.parametrize("at", [0, 15, 16, 4096, 9000, -1, -16])
def test_a_changed_byte_of_content_is_noticed(document, at):
    data = bytearray(document)
    data[at if at < 0 else header_of(document).content_offset + at] ^= 0x01
    assert check_integrity(io.BytesIO(bytes(data))).state is IntegrityState.ALTERED
    try:
        assert opened(bytes(data))[1] is IntegrityState.ALTERED
    except AlteredError:
        assert at < 0  # only the padding can fail


def test_content_cut_short_or_grown_is_noticed(document):
    for data in (document[:-16], document[:-4096], document + bytes(16)):
        assert check_integrity(io.BytesIO(data)).state is IntegrityState.ALTERED
        with pytest.raises(AlteredError):
            opened(data)
    with pytest.raises(FormatError):
        opened(document[:-1])


def test_blocks_that_changed_places_are_noticed(document):
    start = header_of(document).content_offset
    one, two = document[start : start + 4096], document[start + 4096 : start + 8192]
    assert check_integrity(io.BytesIO(document[:start] + two + one + document[start + 8192 :])).state is (
        IntegrityState.ALTERED
    )


def test_the_wrong_key_is_a_format_error(document):
    with pytest.raises(FormatError, match="not its key") as caught:
        opened(document, ContentKey(bytes(32)))
    # The file is as it was sealed, so nobody is accused of altering it.
    assert not isinstance(caught.value, AlteredError)


def test_files_that_are_not_ours_to_read():
    with pytest.raises(NotProtectedError):
        opened(b"Hello")
    with pytest.raises(LicenseError):
        opened(build_header(license=b"<XrML/>", extension="").data + bytes(16))


def test_a_promised_record_has_to_be_made(license):
    target = io.BytesIO()
    with pytest.raises(ValueError):
        protect(io.BytesIO(b"x"), target, license=license, key=KEY, extension="", seal=None)
    assert target.getvalue() == b""


def test_a_license_without_promise_may_carry_a_record(plain_license):
    data = protected(plain_license)
    assert opened(data)[1] is IntegrityState.UNALTERED
    data = data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]
    assert check_integrity(io.BytesIO(data)).state is IntegrityState.ALTERED


@pytest.mark.parametrize(
    "seal",
    [
        service(signing_key("mallory")),
        lambda root, length: service()(root[::-1], length),
        lambda root, length: service()(root, length + 16),
        lambda root, length: b"",
        lambda root, length: service()(root, length) + bytes(RECORD_SPACE),
    ],
)
def test_a_record_that_does_not_verify_is_not_written(license, seal):
    with pytest.raises(FormatError, match="integrity record"):
        protect(io.BytesIO(PLAINTEXT), io.BytesIO(), license=license, key=KEY, extension="", seal=seal)


def test_a_source_that_changes_meanwhile_is_refused(plain_license):
    with pytest.raises(FormatError, match="changed while"):
        protect(
            io.BytesIO(b"four"),
            io.BytesIO(),
            license=plain_license,
            key=KEY,
            extension="",
            seal=None,
            original_size=5,
        )


def test_old_versions_force_cbc4k(plain_license):
    """What the service calls ECB was encrypted with CBC4K in files of version 2."""
    data = bytearray(protected(plain_license, key=KEY, sealing=False))
    data[6] = 2
    assert opened(bytes(data), ContentKey(KEY.value, CipherMode.ECB))[0] == PLAINTEXT


class Endless(io.RawIOBase):
    """A source of `size` bytes that are not held anywhere."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size

    def read(self, count: int = -1, /) -> bytes:
        count = min(count, self.left)
        self.left -= count
        return bytes(count)


def test_memory_does_not_grow_with_the_file(license, tmp_path):
    def peak(size: int) -> int:
        path = tmp_path / str(size)
        tracemalloc.start()
        try:
            with path.open("wb") as target:
                protect(Endless(size), target, license=license, key=KEY, extension="", seal=service())  # type: ignore[arg-type]  # RawIOBase is no BinaryIO to typeshed
            with path.open("rb") as source, (tmp_path / "opened").open("wb") as target:
                assert unprotect(source, target, key=KEY).state is IntegrityState.UNALTERED
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(CHUNK_SIZE)  # what is loaded once
    assert peak(32 << 20) < peak(2 << 20) + CHUNK_SIZE
