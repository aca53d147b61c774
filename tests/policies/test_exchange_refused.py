"""Bad files of templates: refused whole, with the line and the reason, and with nothing fetched or filled on the way."""

import json

import pytest

from policies.exchange.exporting import export_templates
from policies.exchange.files import read_file
from policies.exchange.importing import import_templates
from policies.exchange.planning import plan_import
from policies.exchange.shapes import MAX_BYTES, FileRefusedError
from policies.models import PolicyTemplate
from tenants.changes import Actor
from tests.conftest import World

ID = "{5f0f39a6-9f4c-4a8e-8f9c-3b2b8f0f9a10}"
XML = f"""<?xml version="1.0" encoding="utf-8"?>
<Templates xmlns="urn:rightskeep:templates:1">
<Template>
<TemplateId>{ID}</TemplateId>
<Status>Published</Status>
<Names><Name LCID="1033">Secret</Name>
<Name LCID="3079">Geheim</Name></Names>
<Descriptions/>
<RightsDefinitions>
<RightsDefinition><AllMembers/><Rights>VIEW,X-FOREIGN</Rights></RightsDefinition>
<RightsDefinition><EmailAddress>Dave@Fabrikam.example</EmailAddress><Rights>PRINT</Rights></RightsDefinition>
</RightsDefinitions>
<ContentExpirationOption>Never</ContentExpirationOption>
<LicenseValidityDuration>-1</LicenseValidityDuration>
</Template>
</Templates>
"""
JSON = json.dumps(
    {
        "format": "rightskeep-templates",
        "version": 1,
        "templates": [
            {
                "id": ID,
                "status": "draft",
                "default_language": "en",
                "names": [{"language": "en", "name": "Secret"}],
                "grants": [{"who": {"kind": "members"}, "rights": ["VIEW"]}],
            }
        ],
    },
    indent=1,
)
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n'
FETCHES = '<!DOCTYPE Templates SYSTEM "http://127.0.0.1:9/x.dtd">\n'
# Where the file is changed, into what, the line that is named, a part of the reason.
XML_CASES = (
    ("<Templates ", BOMB + "<Templates ", 2, "document type"),
    ("<Templates ", FETCHES + "<Templates ", 2, "document type"),
    ("Secret", "&b;", 6, "well-formed"),
    ("templates:1", "templates:2", 2, "namespace"),
    ("<Template>", "<Template xmlns=''>", 3, "namespace"),
    ("</Templates>", "", 17, "well-formed"),
    ("</Templates>", "</Templates><Templates/>", 16, "well-formed"),
    ("<Template>", "<?php x?><Template>", 3, "Processing"),
    ("utf-8", "iso-8859-1", 1, "UTF-8"),
    (f"<TemplateId>{ID}</TemplateId>\n", "", 3, "“TemplateId” is missing"),
    ("{5f0f", "{5f", 4, "identifier"),
    ("<Status>", "<Status/><Status>", 5, "twice"),
    ("Published", "Deleted", 5, "none of"),
    ("3079", "1033", 7, "twice"),
    ("3079", "99999", 7, "number of a language"),
    ("3079", "1128", 7, "not a language known"),
    ("<Descriptions/>", '<Descriptions><Description LCID="1036">x</Description></Descriptions>', 8, "without a name"),
    ("<AllMembers/>", "<Everybody/>", 10, "no “Everybody”"),
    ("<AllMembers/>", "<AllMembers/><Anyone/>", 10, "whom and which"),
    ("<AllMembers/>", '<AllMembers Id="x"/>', 10, "no “Id”"),
    ("VIEW,X-FOREIGN", "VIEW,,", 10, "without a right"),
    ("VIEW,X-FOREIGN", "VIEW NOW", 10, "not the name of a right"),
    ("Dave@Fabrikam.example", "dave", 11, "mail address"),
    ("Dave@Fabrikam.example", "dave@nowhere..example", 11, "mail address"),
    ("Never", "OnDate", 13, "expiry"),
    ("-1<", "-2<", 14, "whole number"),
    ("-1<", "366<", 14, "0 to 365"),
    ("-1<", "1<Draft/><", 14, ""),
    ("Secret", "x" * 101, 6, "At most 100"),
    ("Secret", "x" * 30_000, 6, "too long"),
    ("Secret", "a\u202eb", 6, "cannot be shown"),
)  # fmt: skip
JSON_CASES = (
    ('"status"', '"status": "draft",\n "status"', 8, "twice"),
    ('"version": 1', '"version": 2', 3, "version 2"),
    ('"version": 1', '"version": 1.0', 3, "numbers are whole"),
    ('"version": 1', '"version": ' + "9" * 5000, 3, "numbers are whole"),
    ('"version": 1', '"version": 1, "extra": []', 3, "no “extra”"),
    ('"members"', '"everybody"', 18, "none of"),
    ('"members"', "[" * 500, 18, "too deeply"),
    ('"VIEW"', "7", 21, "text is expected"),
    ('"VIEW"', '"VI\\u0000EW"', 21, "cannot be shown"),
    ('"VIEW"', '"VI\\ud800EW"', 21, "cannot be shown"),
    ('"VIEW"', '"VIEW",', 22, "value is expected"),
    ('"en",\n   "names"', '"fr",\n   "names"', 9, "others fall back"),
    ("rightskeep-templates", "policies", 2, "not a file of templates"),
)


def refused(data: str | bytes) -> FileRefusedError:
    with pytest.raises(FileRefusedError) as error:
        read_file(data if isinstance(data, bytes) else data.encode())
    return error.value


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_bad_file_is_refused_whole(world: World, form: str) -> None:
    good, cases = (XML, XML_CASES) if form == "xml" else (JSON, JSON_CASES)
    for old, new, line, reason in cases:
        assert good.count(old), old
        changed = good.replace(old, new, 1)
        with pytest.raises(FileRefusedError) as error:
            import_templates(world.contoso, changed.encode(), actor=Actor("alice"), mapping={})
        assert (error.value.place.line, reason in error.value.reason) == (line, True), (
            new[:60],
            str(error.value),
        )
    assert PolicyTemplate.objects.for_tenant(world.contoso).count() == 2


def test_the_same_id_twice_and_too_many() -> None:
    inner = XML[XML.index("<Template>") : XML.index("</Templates>")]
    error = refused(XML.replace("</Templates>", inner + "</Templates>"))
    assert (error.place.line, "already" in error.reason) == (16, True)
    assert "larger" in refused(b"{" + b" " * MAX_BYTES).reason
    many = XML.replace(inner, "<Template/>" * 1001)
    assert "TemplateId" in refused(many).reason
    rows = [{**json.loads(JSON)["templates"][0], "id": f"{number:032x}"} for number in range(1001)]
    text = json.dumps({"format": "rightskeep-templates", "version": 1, "templates": rows})
    assert "1000" in refused(text).reason


def test_encodings() -> None:
    assert read_file(XML.encode("utf-8-sig"))[0] == "xml"
    assert read_file(XML.replace('encoding="utf-8"', 'encoding="UTF-16"').encode("utf-16"))[0] == "xml"
    assert read_file(JSON.encode("utf-16"))[0] == "json"
    error = refused(XML.encode().replace(b"Geheim", b"Geh\xfcim"))
    assert (error.place, "UTF-8" in error.reason) == ((7, 22), True)
    for nothing, reason in (
        (b"", "empty"),
        (b" \n", "empty"),
        (b"PK\x03\x04", "neither"),
        (b"[1]", "neither"),
    ):
        assert reason in refused(nothing).reason


@pytest.mark.django_db
def test_a_file_by_hand_is_read_with_what_rights_depend_on(world: World) -> None:
    plan = plan_import(world.contoso, XML.encode(), mapping={})
    content = plan.templates[0].content
    assert [(grant.principal, grant.rights) for grant in content.grants] == [
        ("members", ("VIEW", "X-FOREIGN")),  # what no application of ours knows passes through
        ("dave@fabrikam.example", ("VIEW", "PRINT")),
    ]
    assert [text.language for text in content.texts] == ["en", "de"]  # Austrian German is read as German


@pytest.mark.django_db
def test_an_export_tells_who_took_it(world: World) -> None:
    from audit.models import AdminEvent

    export_templates(world.contoso, "xml", actor=Actor("alice@contoso.example"))
    row = AdminEvent.objects.get(action="ExportTemplates")
    assert (row.actor, row.after) == ("alice@contoso.example", {"templates": 2, "format": "xml"})
