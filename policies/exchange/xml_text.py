"""XML with the place of every element. Nothing but elements, attributes and text is accepted.

Expat, because it forgets a document's names with the document (ADR 0010). Document types are refused as they begin, so there
are no entities but XML's own five and there is nothing to fetch.
"""

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from django.utils.translation import gettext_lazy as _

from policies.exchange.shapes import MAX_DEPTH, MAX_PARTS, FileRefusedError, Place

NAMESPACE: Final = "urn:rightskeep:templates:1"
_ENCODINGS: Final = ("utf-8", "utf-16", "us-ascii")
_MAX_ATTRIBUTES: Final = 10
_MAX_TEXT: Final = 20_000


@dataclass(slots=True)
class Element:
    """An element of our namespace with its text (empty where it has children)."""

    name: str
    attributes: dict[str, str]
    place: Place
    text: str = ""
    children: "list[Element]" = field(default_factory=list)


def parse_xml(text: str, root: str, known: frozenset[str]) -> Element:
    """The tree under the element `root`; names outside `known` are refused as they come. Raises `FileRefusedError`."""
    builder = _Builder(root, known)
    parser = builder.parser
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        reason = _("This is not well-formed XML (%(why)s).")
        raise FileRefusedError(
            reason, Place(error.lineno, error.offset + 1), why=expat.ErrorString(error.code)
        ) from None
    return builder.root


class _Builder:
    root: Element

    def __init__(self, root: str, known: frozenset[str]) -> None:
        self._root_name, self._known = root, known
        self._open: list[Element] = []
        self._count = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.ProcessingInstructionHandler = self._instruction
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def _place(self) -> Place:
        return Place(self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1)

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            reason = _("Files are written in UTF-8 or UTF-16, not in “%(encoding)s”.")
            raise FileRefusedError(reason, self._place(), encoding=encoding[:40])

    def _doctype(self, *given: object) -> None:
        raise FileRefusedError(
            _("A document type has no place here, and entities are not read."), self._place()
        )

    def _instruction(self, target: str, data: str) -> None:
        raise FileRefusedError(_("Processing instructions have no place here."), self._place())

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        place = self._place()
        namespace, _sign, name = qualified.rpartition(" ")
        self._count += 1
        if namespace != NAMESPACE:
            reason = _("“%(name)s” is not in the namespace %(expected)s.")
            raise FileRefusedError(reason, place, name=name[:80], expected=NAMESPACE)
        if name not in self._known or (not self._open and name != self._root_name):
            raise FileRefusedError(_("There is no “%(name)s” here."), place, name=name[:80])
        if len(self._open) >= MAX_DEPTH:
            raise FileRefusedError(_("This is nested too deeply."), place)
        if self._count > MAX_PARTS or len(attributes) > _MAX_ATTRIBUTES:
            raise FileRefusedError(_("There are too many values in this file."), place)
        element = Element(name, attributes, place)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, qualified: str) -> None:
        element = self._open.pop()
        if element.children:
            if element.text.strip():
                reason = _("There is text between the parts of “%(name)s”.")
                raise FileRefusedError(reason, element.place, name=element.name)
            element.text = ""

    def _characters(self, text: str) -> None:
        element = self._open[-1]
        element.text += text
        if len(element.text) > _MAX_TEXT:
            raise FileRefusedError(_("This text is too long."), element.place)
