"""Terms are issued, parsed and opened, and come back as they were."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from rms.content_key import CipherMode, ContentKey
from rms.errors import SealError, SignatureError
from rms.rights import ALL_RIGHTS
from rms.xrml import (
    RESERVED_DATA_IDS,
    Grant,
    LocalName,
    RightsDocument,
    Terms,
    check_text,
    clean_name,
    issue_license,
    open_license,
    parse_license,
)
from tests.rms.licenses import (
    ISSUED,
    KEY,
    SERVER,
    TENANT,
    cut,
    issue,
    make_issuer,
    make_rights,
    make_terms,
    signing_key,
)

# Everything XML can carry except CR, which it turns into LF; markup characters and the C1 range made likely.
TEXT = st.text(
    st.one_of(
        st.sampled_from("<>&\"';:\t\n \x85\u2028\ufeff\ufffd\U0010ffff"),
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
    ),
    max_size=30,
)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=4).map(tuple)
MOMENTS = st.datetimes(timezones=st.just(UTC))
GRANTS = st.lists(
    st.builds(
        Grant,
        st.one_of(TEXT, st.just("owner")),
        st.lists(st.one_of(st.sampled_from(ALL_RIGHTS), TEXT)).map(tuple),
    ),
    max_size=4,
).map(tuple)
NAMES = st.lists(st.builds(LocalName, st.integers(0, 0xFFFFF), TEXT, TEXT), max_size=4).map(tuple)


@st.composite
def all_terms(draw) -> Terms:
    content_id = draw(st.uuids())
    rights = RightsDocument(
        content_id=content_id,
        tenant_id=TENANT,
        issuer_id=draw(st.uuids()),
        issuer_address=draw(TEXT),
        owner_id=draw(st.none() | st.uuids()),
        owner_address=draw(TEXT),
        grants=draw(GRANTS),
        expires_at=draw(st.none() | MOMENTS),
        offline_days=draw(st.none() | st.integers(0, 2**31 - 1)),
        interval_days=draw(st.integers(-(2**31), 2**31 - 1)),
        allow_audited_extraction=draw(st.booleans()),
        encrypted_application_data=draw(PAIRS),
    )
    return Terms(
        content_id=content_id,
        issued_at=draw(MOMENTS),
        descriptor_id=draw(st.uuids()),
        descriptor_version=draw(st.none() | MOMENTS),
        names=draw(NAMES),
        rights=rights,
        owner_address=draw(TEXT),
        valid_until=draw(st.none() | MOMENTS),
        referral=draw(st.none() | TEXT),
        signed_application_data=draw(PAIRS),
        sealed=draw(st.booleans()),
    )


def minute(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(second=0, microsecond=0)


@settings(max_examples=60)
@given(all_terms(), st.sampled_from(list(CipherMode)), st.sampled_from([128, 192, 256]))
def test_what_goes_in_comes_out(terms, mode, bits):
    key = signing_key("small", 1024)
    content_key = ContentKey.generate(bits, mode)
    data = issue_license(terms, make_issuer(key), content_key, sign=key.sign)
    license = parse_license(data)
    assert license.content_id == terms.content_id
    assert license.issued_at == minute(terms.issued_at)
    assert license.descriptor_id == terms.descriptor_id
    assert license.descriptor_version == minute(terms.descriptor_version)
    cleaned = [(entry.lcid, clean_name(entry.name), clean_name(entry.description)) for entry in terms.names]
    assert [(entry.lcid, entry.name, entry.description) for entry in license.names] == cleaned
    assert license.owner_address == terms.owner_address
    assert license.referral == terms.referral
    assert license.application_data == terms.signed_application_data
    assert license.sealed == terms.sealed
    if terms.valid_until is None:
        assert license.valid_until is license.valid_from is None
    else:
        assert license.valid_from == license.issued_at
        assert license.valid_until
        assert (
            timedelta(0)
            <= license.valid_until - terms.valid_until.replace(second=0, microsecond=0)
            <= timedelta(minutes=1)
        )
    opened = open_license(license, decrypt=key.decrypt)
    assert opened.content_key == content_key
    assert opened.rights == terms.rights


def test_the_issuer_comes_back():
    key = signing_key()
    license = parse_license(issue(name="Contoso & <Söhne>"))
    base = f"https://rms.example.org/t/{TENANT}"
    assert license.issuer_name == "Contoso & <Söhne>"
    assert (license.server_id, license.tenant_id) == (SERVER, TENANT)
    assert license.licensing_url == license.extranet_url == f"{base}/_wmcs/licensing"
    assert f'<ADDRESS type="URL">{base}/_wmcs</ADDRESS>'.encode() in license.raw
    assert license.public_key == key.public
    assert license.fingerprint == key.public.fingerprint
    assert not license.is_chained


@pytest.mark.parametrize(("bits", "sizes"), [(2048, (336, 352)), (3072, (464, 480)), (4096, (592, 608))])
def test_key_sizes(bits, sizes):
    key = signing_key("sizes", bits)
    for size, content_bits in zip(sizes, (128, 256), strict=True):
        content_key = ContentKey.generate(content_bits)
        license = parse_license(issue_license(make_terms(), make_issuer(key), content_key, sign=key.sign))
        assert len(license.enabling_bits or b"") == size
        assert f'size="{size * 8}"' in license.documents[0].body
        assert open_license(license, decrypt=key.decrypt).content_key == content_key


def test_a_key_whose_token_knows_sha1_only():
    key = signing_key()
    license = parse_license(issue(oaep_hash="sha1"))
    opened = open_license(license, decrypt=lambda block: key.decrypt(block, hashes.SHA1()))
    assert opened.content_key == KEY
    with pytest.raises(SealError):
        open_license(license, decrypt=key.decrypt)


def test_the_bytes_follow_the_skeleton():
    terms = make_terms(
        valid_until=ISSUED + timedelta(days=1),
        referral="mailto:alice@contoso.example",
        signed_application_data=(("Microsoft.MSIPC.RequireRmsAwareApplication", "true"),),
        sealed=True,
    )
    data = issue(terms)
    before, body, after = cut(data)
    assert before == '\ufeff<?xml version="1.0"?><XrML xmlns="" version="1.2">'
    assert after.startswith('<SIGNATURE><DIGEST><ALGORITHM>SHA256</ALGORITHM><PARAMETER name="codingtype">')
    assert after.endswith("</VALUE></SIGNATURE></XrML>")
    order = [
        '<BODY type="Microsoft Rights Label" version="3.0"><ISSUEDTIME>2025-01-31T09:15</ISSUEDTIME>',
        "<VALIDITYTIME><FROM>2025-01-31T09:15</FROM><UNTIL>2025-02-01T09:15</UNTIL></VALIDITYTIME>",
        '<DESCRIPTOR><OBJECT><ID type="MS-GUID" version="2025-01-02T08:00">{760cb90e-8715-4dcb-bf42-806b012d70f2}</ID>'
        "<NAME>LCID 1033:NAME Contoso - Confidential:DESCRIPTION Staff may read and change.;\n</NAME>",
        '<ISSUER><OBJECT type="MS-DRM-Server"><ID type="MS-GUID">{407999b7-d71b-47ff-b672-d9e369f59c23}</ID>',
        '<SECURITYLEVEL name="Tenant-ID" value="{6594232e-6968-45f0-9f7e-c711fc49ef58}" /></ISSUER>',
        '<DISTRIBUTIONPOINT><OBJECT type="License-Acquisition-URL">',
        '<DISTRIBUTIONPOINT><OBJECT type="Extranet-License-Acquisition-URL">',
        '<DISTRIBUTIONPOINT><OBJECT type="Referral-Info">',
        '<ISSUEDPRINCIPALS><PRINCIPAL internal-id="1"><OBJECT type="MS-DRM-Server">',
        '<ENABLINGBITS type="sealed-key-v2"><VALUE encoding="base64" size="2816">',
        '<WORK><OBJECT><ID type="MS-GUID">{23090335-566a-4e3f-9ba8-544ca32e5998}</ID></OBJECT><METADATA><OWNER>',
        '<AUTHENTICATEDDATA id="Encrypted-Rights-Data">',
        '<AUTHENTICATEDDATA name="Rightskeep.Sealed" id="RIGHTSKEEP">true</AUTHENTICATEDDATA>',
        '<AUTHENTICATEDDATA name="Microsoft.MSIPC.RequireRmsAwareApplication" id="APPSPECIFIC">true</AUTHENTICATEDDATA>',
        "</BODY>",
    ]
    positions = [body.index(piece) for piece in order]
    assert positions == sorted(positions)
    assert b"\r" not in data
    assert "> <" not in body


def test_nothing_of_the_policy_stands_in_clear():
    data = issue()
    for secret in (b"dave", b"fabrikam", b"bob@contoso", KEY.value, b"Main-Rights"):
        assert secret not in data
    assert KEY.value.hex() not in repr(parse_license(data))


def test_carriage_returns_become_line_feeds():
    terms = make_terms(
        referral="a\r\nb\rc",
        signed_application_data=(("x\ry", "1\r\n2"),),
        names=(LocalName(1033, "one\r\ntwo;", "three\rfour;"),),
    )
    license = parse_license(issue(terms))
    assert license.referral == "a\nb\nc"
    assert license.application_data == (("x\ny", "1\n2"),)
    assert license.names == (LocalName(1033, "one two", "three four"),)


@pytest.mark.parametrize("code", [0, 0xB, 0x1F, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF])
def test_characters_xml_does_not_have_are_refused(code):
    bad = chr(code)
    with pytest.raises(ValueError, match=f"U\\+{code:04X}"):
        check_text(f"a{bad}b")
    grant = (Grant(f"x{bad}", ("VIEW",)),)
    for terms in (
        make_terms(owner_address=bad),
        make_terms(referral=bad),
        make_terms(names=(LocalName(1033, "n", bad),)),
        make_terms(signed_application_data=((bad, ""),)),
        make_terms(signed_application_data=(("", bad),)),
        make_terms(rights=make_rights(grants=grant)),
        make_terms(rights=make_rights(grants=(Grant("x", (bad,)),))),
        make_terms(rights=make_rights(encrypted_application_data=((bad, bad),))),
    ):
        with pytest.raises(ValueError, match="cannot be part"):
            issue(terms)


@pytest.mark.parametrize(
    "change",
    [
        *({"signed_application_data": ((name, "x"),)} for name in sorted(RESERVED_DATA_IDS)),
        {"names": (LocalName(-1, "n", "d"),)},
        {"names": (LocalName(10**9, "n", "d"),)},
        {"descriptor_version": datetime(2025, 1, 1)},
        {"valid_until": datetime(2025, 1, 2)},
        {"issued_at": datetime.max.replace(tzinfo=timezone(-timedelta(hours=3)))},
        {"rights": make_rights(interval_days=2**31)},
        {"rights": make_rights(offline_days=2**31)},
        {"rights": make_rights(content_id=UUID(int=0))},
        {"rights": make_rights(tenant_id=UUID(int=0))},
        {"signed_application_data": (("big", "x" * 1024 * 1024),)},
    ],
)
def test_terms_that_cannot_be_written_are_refused_in_a_sentence(change):
    with pytest.raises(ValueError, match=r"\.$"):
        issue(make_terms(**change))


def test_a_time_without_zone_is_refused_where_it_is_stated():
    with pytest.raises(ValueError, match="time zone"):
        make_rights(expires_at=datetime(2025, 1, 1))


def test_times_of_other_zones_are_written_in_utc():
    east = timezone(timedelta(hours=5, minutes=30))
    terms = make_terms(
        issued_at=datetime(2025, 1, 31, 14, 45, 59, tzinfo=east),
        valid_until=datetime(2025, 1, 31, 14, 45, 1, tzinfo=east),
        rights=make_rights(expires_at=datetime(2025, 1, 31, 14, 45, 1, 999, tzinfo=east)),
    )
    license = parse_license(issue(terms))
    assert license.issued_at == ISSUED
    assert license.valid_until == ISSUED + timedelta(minutes=1)
    opened = open_license(license, decrypt=signing_key().decrypt)
    assert opened.rights.expires_at == ISSUED + timedelta(seconds=1)


def test_grants_of_one_principal_are_one_grant():
    rights = make_rights(grants=(Grant("a@x", ("VIEW",)), Grant("b@x", ()), Grant("a@x", ("PRINT", "VIEW"))))
    assert rights.grants == (Grant("a@x", ("VIEW", "PRINT")),)


def test_a_signature_by_another_key_is_noticed_when_issuing():
    with pytest.raises(SignatureError):
        issue_license(make_terms(), make_issuer(signing_key()), KEY, sign=signing_key("other").sign)
