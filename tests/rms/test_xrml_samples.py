"""Licenses that other people's software made, in the shared sample files."""

import pytest

from rms.errors import LicenseError, SealError
from rms.xrml import open_license, parse_documents, parse_license
from tests.rms.licenses import sample_license

SERVER_ISSUED = ["linuxTest.txt.pfile", "CleanAlice.txt.pfile", "mac_template_01.ptxt"]
CHAINED = "rmsSharingJohnTest.ptxt"
LICENSING_URL = "https://c04a2344-eae8-4d4f-89dc-036792332149.rms.na.aadrm.com/_wmcs/licensing"


@pytest.mark.parametrize("name", SERVER_ISSUED)
def test_server_issued_licenses_verify(name):
    license = parse_license(sample_license(name))
    assert not license.is_chained
    assert license.signature_digest == "sha256"
    assert license.public_key.bits == 2048
    assert str(license.tenant_id) == "6594232e-6968-45f0-9f7e-c711fc49ef58"
    assert str(license.server_id) == "407999b7-d71b-47ff-b672-d9e369f59c23"
    assert license.issuer_name == "Microsoft Corporation"
    assert license.licensing_url == license.extranet_url == LICENSING_URL
    assert license.encrypted_rights
    assert not license.sealed


def test_by_template():
    license = parse_license(sample_license("linuxTest.txt.pfile"))
    assert str(license.descriptor_id) == "760cb90e-8715-4dcb-bf42-806b012d70f2"
    assert license.descriptor_version is not None
    assert license.descriptor_version.isoformat() == "2016-12-14T01:23:00+00:00"
    assert license.issued_at.isoformat() == "2016-12-20T22:25:00+00:00"
    assert license.owner_address == "admin@isvtenant999.onmicrosoft.com"
    assert len(license.enabling_bits or b"") == 352
    assert (license.valid_from, license.valid_until, license.referral) == (None, None, None)


def test_ad_hoc_with_expiry_and_referral():
    license = parse_license(sample_license("CleanAlice.txt.pfile"))
    assert license.valid_from
    assert license.valid_until
    assert license.valid_from.isoformat() == "2017-01-12T19:21:00+00:00"
    assert license.valid_until.isoformat() == "2017-01-14T19:21:00+00:00"
    assert license.referral == "https://client.test.app/"
    assert str(license.content_id) == "1c5e0307-e03d-4de3-af21-81bcf961e73c"
    # This guid stands without braces.
    assert str(license.descriptor_id) == "586b5746-aa26-4310-81b1-ea20d40cfc89"
    assert [(name.lcid, name.name, name.description) for name in license.names] == [
        (1033, "Test Name", "Test Description")
    ]


def test_names_in_forty_languages():
    license = parse_license(sample_license("mac_template_01.ptxt"))
    names = {entry.lcid: entry.name for entry in license.names}
    assert len(license.names) == len(names) == 40
    assert names[1033] == "Microsoft Corporation - Confidential"
    assert names[1041] == "Microsoft Corporation - 社外秘"
    assert all(entry.description and ";" not in entry.description for entry in license.names)
    assert len(license.enabling_bits or b"") == 336
    assert license.application_data == (("Microsoft.MSIPC.RequireRmsAwareApplication", "true"),)


def test_client_issued_with_certificate_chains():
    data = sample_license(CHAINED)
    assert data.endswith(b"\0")
    license = parse_license(data)
    assert license.is_chained
    assert license.signature_digest == "sha1"
    assert [document.type for document in license.documents] == ["Microsoft Rights Label"] + ["LICENSE"] * 7
    assert license.tenant_id is None
    assert license.enabling_bits is None
    assert license.owner_address == license.referral == "admuller@microsoft.com"
    assert license.public_key.bits == 1024
    assert {document.key.bits for document in license.documents} == {1024, 2048}


def test_every_link_of_the_chain_is_signed_by_a_key_issued_later():
    documents = parse_documents(sample_license(CHAINED))
    for at, document in enumerate(documents[:-1]):
        assert any(document.key in other.issued_keys for other in documents[at + 1 :])


@pytest.mark.parametrize("name", [*SERVER_ISSUED, CHAINED])
def test_utf_16_with_and_without_a_mark_is_the_same_license(name):
    data = sample_license(name)
    expected = parse_license(data)
    wide = data.decode("utf-8-sig").encode("utf-16-le")
    for variant in (
        wide,
        b"\xff\xfe" + wide,
        data.removeprefix(b"\xef\xbb\xbf"),
        data + b"\0\0",
        data + b"\r\n",
    ):
        license = parse_license(variant)
        assert license.content_id == expected.content_id
        assert license.names == expected.names


@pytest.mark.parametrize(
    ("name", "step"), [("CleanAlice.txt.pfile", 7), ("linuxTest.txt.pfile", 97), (CHAINED, 97)]
)
def test_any_change_to_a_body_is_found(name, step):
    data = sample_license(name).decode()
    start = 0
    while (start := data.find("<BODY", start)) >= 0:
        end = data.index("</BODY>", start) + len("</BODY>")
        for at in range(start, end, step):
            other = "A" if data[at] != "A" else "B"
            with pytest.raises(LicenseError):
                parse_license((data[:at] + other + data[at + 1 :]).encode())
        start = end


def test_a_license_of_other_software_does_not_open():
    for name in (*SERVER_ISSUED, CHAINED):
        license = parse_license(sample_license(name))
        with pytest.raises(SealError):
            open_license(license, decrypt=lambda block: block[:44])
