"""Files of templates as bytes: which format it is, how large it may be, how it is encoded."""

import codecs
from typing import Final

from django.utils.translation import gettext_lazy as _

from policies.exchange import json_form, xml_form, xml_writing
from policies.exchange.shapes import MAX_BYTES, FileRefusedError, Place, TemplateFile

XML: Final = "xml"
JSON: Final = "json"
FORMATS: Final = (XML, JSON)
CONTENT_TYPES: Final = {XML: "application/xml; charset=utf-8", JSON: "application/json"}


def write_file(file: TemplateFile, form: str) -> bytes:
    """The file in one of `FORMATS`, in UTF-8."""
    text = xml_writing.write(file) if form == XML else json_form.write(file)
    return text.encode()


def read_file(data: bytes) -> tuple[str, TemplateFile]:
    """The format and what the file says. Raises `FileRefusedError`."""
    text = _decode(data)
    match text.lstrip()[:1]:
        case "<":
            return XML, xml_form.read(text)
        case "{":
            return JSON, json_form.read(text)
        case "":
            raise FileRefusedError(_("This file is empty."), Place(1, 1))
    raise FileRefusedError(_("This is neither XML nor JSON."), Place(1, 1))


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        reason = _("This file is larger than %(limit)s MiB.")
        raise FileRefusedError(reason, Place(1, 1), limit=MAX_BYTES // 2**20)
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise FileRefusedError(
            _("Files are written in UTF-8; this byte is not."), Place(line, column)
        ) from None
