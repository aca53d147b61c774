import pytest

from rms.errors import LicenseError
from rms.xrml.rights_document import Grant, build_rights_document, parse_rights_document
from tests.rms.licenses import make_rights

TEXT = build_rights_document(make_rights()).decode()


def test_shape():
    assert TEXT.startswith(
        '<XrML xmlns="" version="1.2"><BODY type="Microsoft Rights Label" version="3.0"><ISSUER>'
    )
    principal = (
        '<PRINCIPAL><OBJECT><ID type="Unspecified" /><NAME>dave@fabrikam.example</NAME></OBJECT></PRINCIPAL>'
    )
    access = f"<CONDITIONLIST><ACCESS>{principal}</ACCESS></CONDITIONLIST>"
    assert f'<RIGHT name="VIEW">{access}</RIGHT><RIGHT name="VIEWRIGHTSDATA">{access}</RIGHT>' in TEXT
    assert '<OBJECT><ID type="Internal">Owner</ID></OBJECT>' in TEXT
    assert '<RANGETIME><UNTIL>2025-03-01T12:30:45</UNTIL></RANGETIME><INTERVALTIME days="30" />' in TEXT
    # One element per right and principal, so that a reader needs no lists within lists.
    assert TEXT.count("<RIGHT ") == 5 + 1


def test_rights_may_stand_as_elements_of_their_own_name():
    named = TEXT.replace('<RIGHT name="VIEW">', "<VIEW>", 1).replace("</RIGHT>", "</VIEW>", 1)
    assert parse_rights_document(named.encode()) == make_rights()


def test_white_space_between_elements_is_accepted():
    assert parse_rights_document(TEXT.replace("><", ">\n <").encode()).grants == make_rights().grants


def test_thousands_of_grants():
    grants = tuple(Grant(f"person{n}@example.org", ("VIEW", "PRINT")) for n in range(3000))
    rights = make_rights(grants=grants)
    assert parse_rights_document(build_rights_document(rights)) == rights


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<RIGHT name="VIEW">', "<RIGHT>"),
        ("<RIGHTSLIST>", "<RIGHTSLIST><DENY/>"),
        ("<RIGHTSLIST>", '<RIGHTSLIST><RIGHT name="VIEW"/>'),
        ("</RIGHTSLIST>", "</RIGHTSLIST><RIGHTSLIST/>"),
        ("</RIGHTSGROUP>", "</RIGHTSGROUP><RIGHTSGROUP/>"),
        ("<ACCESS>", "<TIME/><ACCESS>"),
        ("</ACCESS>", "</ACCESS><ACCESS/>"),
        ("<PRINCIPAL>", "<PRINCIPAL><ENABLINGBITS/>"),
        ('<ID type="Unspecified" /><NAME>dave', '<ID type="Passport" /><NAME>dave'),
        (">Owner<", ">Everyone<"),
        ("<NAME>dave@fabrikam.example</NAME>", ""),
        ("</TIME>", "</TIME><METERED/>"),
        ("<INTERVALTIME", "<METEREDTIME/><INTERVALTIME"),
        ("<UNTIL>", "<FROM>2025-01-01T00:00</FROM><UNTIL>"),
        ("2025-03-01T12:30:45", "2025-13-01T12:30:45"),
        ("2025-03-01T12:30:45", ""),
        ('days="30"', 'days="thirty"'),
        ('days="30"', 'days="2147483648"'),
        ('days="30"', f'days="{"9" * 5000}"'),
        (">7<", "> 7<"),
        (">false<", ">false</AUTHENTICATEDDATA><AUTHENTICATEDDATA>x<"),
        ("Offline-Days", "Allow-Audited-Extraction"),
        ("Offline-Days", "Outlined-Days"),
        ("</WORK>", "</WORK><WORK/>"),
        ("</WORK>", "<EXCLUSIONS/></WORK>"),
        ("</ISSUER>", "</ISSUER><LIMIT/>"),
        ("{23090335", "{2309033"),
        ("{6594232e", "{6594232"),
        ("{b0b00000", "{b0b0000"),
        ("<METADATA>", "<METADATAS>"),
        ("<BODY ", "<!-- --><BODY "),
        ("<XrML ", "<?pi?><XrML "),
        ("<XrML ", "<!DOCTYPE x><XrML "),
        ("</XrML>", ""),
        ("</BODY>", "</BODY><BODY/>"),
        ("dave", "\x00"),
    ],
)
def test_what_is_not_understood_is_refused(old, new):
    assert old in TEXT
    with pytest.raises(LicenseError) as caught:
        parse_rights_document(TEXT.replace(old, new).encode())
    assert str(caught.value).endswith(".")


def test_other_bytes_are_refused():
    for data in (b"", b"\xff\xff", TEXT.encode("utf-16"), b"<a/>"):
        with pytest.raises(LicenseError):
            parse_rights_document(data)
