"""Licenses made or altered by somebody who means no good."""

import base64
import resource
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from rms.errors import FormatError, LicenseError, SealError, SignatureError, UnsupportedVersionError
from rms.xrml import MAX_SIZE, PublicKey, open_license, parse_license
from rms.xrml.names import parse_names
from tests.rms.licenses import CONTENT, cut, issue, make_terms, sign_again, signing_key

BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))


def test_every_character_of_the_body_counts():
    before, body, after = cut(issue())
    for at, character in enumerate(body):
        other = "A" if character != "A" else "B"
        with pytest.raises(LicenseError):
            parse_license((before + body[:at] + other + body[at + 1 :] + after).encode())


def test_what_is_added_or_removed_counts():
    before, body, after = cut(issue())
    for at in range(1, len(body), 53):
        for changed in (body[:at] + " " + body[at:], body[:at] + body[at + 1 :]):
            with pytest.raises(LicenseError):
                parse_license((before + changed + after).encode())


def test_the_signature_counts():
    before, body, after = cut(issue())
    start = after.rindex("<VALUE")
    for at in range(after.index(">", start) + 1, len(after), 29):
        with pytest.raises(LicenseError):
            parse_license(
                (before + body + after[:at] + ("A" if after[at] != "A" else "B") + after[at + 1 :]).encode()
            )


def test_a_truncated_license_is_refused_wherever_it_ends():
    data = issue()
    for end in range(0, len(data), 61):
        with pytest.raises(LicenseError):
            parse_license(data[:end])


def test_a_key_of_ones_own_makes_a_valid_license_of_ones_own():
    # Which is why nobody may believe one before comparing the fingerprint.
    other = signing_key("mallory")
    data = issue()
    body = cut(data)[1].replace(signing_key().public.to_xml(), other.public.to_xml())
    license = parse_license(sign_again(data, body, other))
    assert license.fingerprint == other.public.fingerprint != signing_key().public.fingerprint
    with pytest.raises(SealError):
        open_license(license, decrypt=other.decrypt)


def test_a_signature_by_a_key_that_is_not_named_is_refused():
    data = issue()
    with pytest.raises(SignatureError):
        parse_license(sign_again(data, cut(data)[1], signing_key("mallory")))


@pytest.mark.parametrize(
    "transform",
    [
        lambda before, body, after: before + body + body + after,
        lambda before, body, after: before + "<BODY></BODY>" + body + after,
        lambda before, body, after: before + "<WRAP>" + body + "</WRAP>" + after,
        lambda before, body, after: (
            before + body + after.replace("</SIGNATURE>", "<BODY></BODY></SIGNATURE>")
        ),
        lambda before, body, after: before + body + "<BODY/>" + after,
        lambda before, body, after: before + after,
        lambda before, body, after: before + body + "</XrML>",
        lambda before, body, after: before + body + after.replace("</XrML>", "<EXTRA/></XrML>"),
        lambda before, body, after: before + "<!-- " + body + " -->" + body + after,
        lambda before, body, after: before + "<![CDATA[" + body + "]]>" + body + after,
        lambda before, body, after: before + "<?php ?>" + body + after,
        lambda before, body, after: f'<!DOCTYPE x [{BOMB}]><XrML version="1.2">' + body + after,
        lambda before, body, after: (
            '<!DOCTYPE x SYSTEM "file:///etc/passwd"><XrML version="1.2">' + body + after
        ),
        lambda before, body, after: '<?xml version="1.0"?><?xml version="1.0"?><XrML>' + body + after,
        lambda before, body, after: before + body + after + "x",
        lambda before, body, after: "x" + before + body + after,
        lambda before, body, after: before.replace("<XrML ", "<XrML a ") + body + after,
        lambda before, body, after: before + body + after.replace("SHA256", "MD5"),
        lambda before, body, after: before + body + after.replace("surface-coding", "deep-coding"),
        lambda before, body, after: before + body + after.replace("PKCS#1-V1.5", "PSS"),
        lambda before, body, after: before + body + after.replace("SIGNATURE", "SIGNATURES"),
        lambda before, body, after: (
            before + body + after.replace("<SIGNATURE>", "<SIGNATURE><VALUE>AA==</VALUE>")
        ),
        lambda before, body, after: before + body + after.replace("=</VALUE>", "=*</VALUE>"),
        lambda before, body, after: before + body.replace("</BODY>", "</BODY >") + after,
    ],
)
def test_a_document_wrapped_or_decorated_is_refused(transform):
    data = transform(*cut(issue())).encode()
    with pytest.raises(LicenseError) as caught:
        parse_license(data)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("</ISSUEDTIME>", "</ISSUEDTIME><!-- x -->"),
        ("</ISSUEDTIME>", "</ISSUEDTIME><?pi ?>"),
        ("</ISSUEDTIME>", "</ISSUEDTIME><![CDATA[x]]>"),
        ("</ISSUEDTIME>", "&lol;</ISSUEDTIME>"),
        ("</ISSUEDTIME>", "&#0;</ISSUEDTIME>"),
        ("</ISSUEDTIME>", "\x01</ISSUEDTIME>"),
        ("</ISSUEDTIME>", "</ISSUEDTIME><ISSUEDTIME>2030-01-01T00:00</ISSUEDTIME>"),
        ("</ISSUEDTIME>", "</ISSUEDTIME><X>" + "<Y>" * 33000 + "</Y>" * 33000 + "</X>"),
        ("2025-01-31T09:15", "2025-02-31T09:15"),
        ("2025-01-31T09:15", "0000-01-31T09:15"),
        ("2025-01-31T09:15", "٢٠٢٥-01-31T09:15"),
        ("2025-01-31T09:15", "9" * 5000),
        ("</WORK>", "</WORK><WORK><OBJECT><ID>{00000000-0000-0000-0000-000000000000}</ID></OBJECT></WORK>"),
        (str(CONTENT), str(CONTENT)[:-1]),
        (str(CONTENT), "urn:uuid:" + str(CONTENT)),
        ("<WORK>", "<WORKED>"),
        ("</WORK>", "</WORK><VALIDITYTIME><UNTIL>never</UNTIL></VALIDITYTIME>"),
        ("{760cb90e-8715-4dcb-bf42-806b012d70f2}", "my template"),
        ("</ISSUER>", "</ISSUER><ISSUER></ISSUER>"),
        ("</ISSUER>", '<SECURITYLEVEL name="Tenant-ID" value="{0}" /></ISSUER>'),
        ("65537", "3"),
        ("65537", "65537" + "0" * 5000),
        (">RSA<", ">DSA<"),
        ("modulus", "module"),
        ('name="Encrypted', 'name="x'),
        ('<AUTHENTICATEDDATA id="Encrypted-Rights-Data">', '<AUTHENTICATEDDATA id="Encrypted-Rights-Data">*'),
        (
            '<AUTHENTICATEDDATA id="Encrypted-Rights-Data">',
            '<AUTHENTICATEDDATA id="Encrypted-Rights-Data"></AUTHENTICATEDDATA><AUTHENTICATEDDATA id="Encrypted-Rights-Data">',
        ),
        ('encoding="base64" size="2816">', 'encoding="base64" size="2816">é'),
        ("<ENABLINGBITS", '<ENABLINGBITS type="sealed-key-v2"></ENABLINGBITS><ENABLINGBITS'),
        ('<BODY type="', '<BODY type="" type="'),
        ("Microsoft Rights Label", "LICENSE"),
    ],
)
def test_a_malformed_body_is_refused_even_when_signed(old, new):
    key = signing_key()
    data = issue()
    body = cut(data)[1].replace(old, new) if old != 'name="Encrypted' else cut(data)[1] + "\ud800"
    with pytest.raises(LicenseError) as caught:
        parse_license(sign_again(data, body, key))
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("old", "new"),
    [('version="3.0"', 'version="4.0"'), ('XrML xmlns="" version="1.2"', 'XrML version="2.0"')],
)
def test_another_version_is_said_to_be_one(old, new):
    data = issue()
    before, body, _ = cut(data)
    changed = sign_again(
        (before.replace(old, new) + cut(data)[1] + "</XrML>").encode(), body.replace(old, new), signing_key()
    )
    with pytest.raises(UnsupportedVersionError):
        parse_license(changed)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xff\xfe\0",
        b"\xff\xfe\0\xd8",
        b"\x80",
        b"%PDF-1.7",
        b"<XrML",
        b"<XrML>",
        b"\0" * 9,
    ],
)
def test_what_is_no_license_at_all(data):
    with pytest.raises(LicenseError):
        parse_license(data)


def test_the_limit_is_one_mebibyte():
    data = issue()
    assert parse_license(data + b"\0" * (MAX_SIZE - len(data))).content_id == CONTENT
    with pytest.raises(LicenseError, match="1 MiB"):
        parse_license(data + b"\0" * (MAX_SIZE - len(data) + 1))
    room = MAX_SIZE - len(data) - 2000
    assert len(issue(make_terms(signed_application_data=(("big", "x" * room),)))) <= MAX_SIZE


def test_a_chain_of_strangers_is_refused():
    with pytest.raises(SignatureError, match="do not belong"):
        parse_license(issue() + issue(key=signing_key("mallory")).removeprefix(b"\xef\xbb\xbf"))


def test_a_chain_of_too_many_is_refused():
    with pytest.raises(LicenseError, match="more than 32"):
        parse_license(issue() * 40)


def test_a_chained_license_does_not_open():
    license = parse_license(issue() + issue().removeprefix(b"\xef\xbb\xbf"))
    assert license.is_chained
    with pytest.raises(SealError):
        open_license(license, decrypt=signing_key().decrypt)


def test_a_sha1_signature_verifies_but_opens_nothing():
    key = signing_key()
    data = issue()
    before, body, _ = cut(data)
    value = base64.b64encode(key.sign(body.encode("utf-16-le"), hashes.SHA1())).decode()
    weak = (
        f"{before}{body}<SIGNATURE><ALGORITHM>RSA PKCS#1-V1.5</ALGORITHM><DIGEST><ALGORITHM>SHA1</ALGORITHM></DIGEST>"
        f"<VALUE>{value}</VALUE></SIGNATURE></XrML>"
    )
    license = parse_license(weak.encode())
    assert license.signature_digest == "sha1"
    with pytest.raises(SealError):
        open_license(license, decrypt=key.decrypt)


@pytest.mark.parametrize(
    "modulus", [0, 1, 3, 2**1023 - 1, 2**1024, 2**8192 + 1, 2**20000 + 1], ids=int.bit_length
)
def test_keys_of_other_sizes_are_refused(modulus):
    with pytest.raises(ValueError, match="1024 to 8192"):
        PublicKey.from_numbers(modulus)
    data = issue()
    text = base64.b64encode(modulus.to_bytes(modulus.bit_length() // 8 + 1, "little")).decode()
    own = base64.b64encode(signing_key().public.modulus.to_bytes(256, "little")).decode()
    with pytest.raises(LicenseError):
        parse_license(sign_again(data, cut(data)[1].replace(own, text), signing_key()))


def test_nonsense_moduli_verify_nothing():
    for modulus in (2**1023 + 1, 2**8192 - 1, 3**1300, int("9" * 400)):
        key = PublicKey.from_numbers(modulus | 1)
        for signature in (b"", bytes(key.size), b"\xff" * key.size, (1).to_bytes(key.size, "big")):
            assert not key.verify(b"data", signature)


def test_liberties_that_other_software_takes_are_accepted():
    key = signing_key()
    data = issue()
    body = cut(data)[1]
    plain = parse_license(data)
    for old, new in [
        ("{" + str(CONTENT) + "}", str(CONTENT).upper()),
        ('type="MS-GUID">', "type='MS-GUID' >\n  "),
        ("<WORK>", "<!NEW/><WORK>".replace("!", "") + "\r\n"),
        ("</METADATA>", "</METADATA><RIGHTSGROUP/><RIGHTSGROUP/>"),
        ('internal-id="1"', 'other="é" internal-id="1"'),
        (' size="2048"', ""),
        ("65537", " 65537\n"),
        ("<BODY ", "<BODY\n\t"),
        ("<WORK>", "<DEEP>" * 10000 + "</DEEP>" * 10000 + "<WORK>"),
        ('<OBJECT type="License-Acquisition-URL">', "<OBJECT>"),
    ]:
        assert old in body
        license = parse_license(sign_again(data, body.replace(old, new), key))
        assert license.content_id == plain.content_id
        assert license.licensing_url == plain.licensing_url
        assert license.public_key == plain.public_key
    start, end = body.index("<DESCRIPTOR>"), body.index("</DESCRIPTOR>") + len("</DESCRIPTOR>")
    license = parse_license(sign_again(data, body[:start] + body[end:], key))
    assert (license.descriptor_id, license.names) == (None, ())


def test_time_stays_in_proportion_to_size():
    """No limit in seconds is set: a reader of quadratic time would not come back from these within the hour."""
    hostile = [
        b"<XrML" + b" " * (MAX_SIZE - 10),
        b'<XrML a="' * 100000,
        b"<XrML><BODY>" + b"<" * 900000,
        b"<XrML><BODY>" + b"&" * 900000 + b"</BODY><SIGNATURE></SIGNATURE></XrML>",
        b"<XrML><BODY>" + b"<a>" * 300000 + b"</BODY><SIGNATURE></SIGNATURE></XrML>",
        b"<XrML><BODY "
        + b"".join(b'a%d="" ' % n for n in range(90000))
        + b"></BODY><SIGNATURE></SIGNATURE></XrML>",
        b"<XrML><BODY>"
        + b"".join(b"<t%d/>" % n for n in range(90000))
        + b"</BODY><SIGNATURE></SIGNATURE></XrML>",
        b"<XrML><BODY>" + b"<a>" * 20000 + b"</a>" * 20000 + b"</BODY><SIGNATURE></SIGNATURE></XrML>",
        b"<?xml " * 170000,
        b"\xef\xbb\xbf" * 340000,
        b"<XrML></XrML>" * 80000,
    ]
    for data in hostile:
        with pytest.raises(FormatError):
            parse_license(data[:MAX_SIZE])
    assert parse_names("LCID 1:NAME " * 80000) != ()
    assert parse_names("\n" * MAX_SIZE) == ()
    assert parse_names("LCID " * 200000) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")
def test_names_of_strangers_are_not_kept_in_memory():
    """A parser that interns every name it meets, as libxml2 does per thread, could be filled from outside."""

    def refuse(generation: int) -> int:
        names = b"".join(b"<n%d_%d/>" % (generation, n) for n in range(30000))
        with pytest.raises(LicenseError):
            parse_license(b"<XrML><BODY>" + names + b"</BODY><SIGNATURE></SIGNATURE></XrML>")
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    settled = max(refuse(generation) for generation in range(8))
    assert max(refuse(generation) for generation in range(8, 24)) - settled < 8 * 1024 * 1024
