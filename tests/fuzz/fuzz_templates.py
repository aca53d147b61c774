"""Fuzz the readers of template files, XML and JSON: bytes injured, and well-formed files rearranged.

In the suite a fixed number of cases with a fixed seed (test_fuzz_templates.py); by hand as long as you like:

    python tests/fuzz/fuzz_templates.py --cases 1000000 [--seed N] [--target NAME]

A finding is any exception other than FormatError, or a file that does not survive being written and read again.
"""

import copy
import datetime as dt
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from policies.exchange.files import FORMATS, read_file, write_file
from policies.exchange.shapes import (
    FiledGrant,
    FiledRules,
    FiledTemplate,
    FiledText,
    Identity,
    TemplateFile,
)
from tests.fuzz.running import bent, run_by_hand

IDS = [f"0000000{number}-0000-4000-8000-00000000000{number}" for number in range(6)]
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 10**17, "", " ", "0", "-1", "9" * 5000, "\0", "\ud800", "\ufffe", "é", "\U0010ffff", "en", "de",
    "members", "group", "person", "owner", "a@b.example", "@b", "{", IDS[1], "{" + IDS[1] + "}", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00", "2025-02-30", "never", "date", "days", "Never", "OnDate", [], {}, [[]], "VIEW", "VIEW,",
)  # fmt: skip


def sample() -> TemplateFile:
    rules = FiledRules(
        "en",
        (FiledText("en", "Secret & more", "<b>"), FiledText("pt-br", "Segredo")),
        (
            FiledGrant(Identity("members"), ("VIEW", "X-FOREIGN")),
            FiledGrant(Identity("group", "Legal", "legal@a.example", IDS[2]), ("VIEW",)),
            FiledGrant(Identity("organization", id=IDS[3]), ("OWNER",)),
            FiledGrant(Identity("domain", "b.example"), ("VIEW",)),
            FiledGrant(Identity("address", mail="a@b.example"), ("VIEW",)),
        ),
        "date",
        dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
        None,
        7,
        False,
        (Identity("person", mail="c@a.example", id=IDS[4]), Identity("group", "Press")),
    )
    draft = FiledRules("de", (FiledText("de", "Entwurf"),), expiry="days", expires_after_days=3)
    moment = dt.datetime(2026, 1, 1, 12, 30, 1, 5, tzinfo=dt.UTC)
    templates = (
        FiledTemplate(IDS[0], "published", rules, draft, moment),
        FiledTemplate(IDS[5], "draft", draft),
    )
    return TemplateFile(templates, "Contoso", IDS[1], moment)


class Subject:
    """The same file in both forms."""

    def __init__(self) -> None:
        self.files = {form: write_file(sample(), form) for form in FORMATS}

    def injured(self, form: str, rng: random.Random) -> None:
        _read(bent(self.files[form], rng))

    def xml_rearranged(self, rng: random.Random) -> None:
        root = ET.fromstring(self.files["xml"])
        for _ in range(rng.randint(1, 3)):
            elements = list(root.iter())
            parents = {child: parent for parent in elements for child in parent}
            element = rng.choice(elements)
            match rng.randrange(5):
                case 0 if element in parents:
                    parents[element].remove(element)
                case 1 if element in parents:
                    parents[element].append(copy.deepcopy(element))
                case 2:
                    element.tag = rng.choice(elements).tag
                case 3:
                    element.text = str(rng.choice(VALUES))
                case _:
                    element.set(
                        rng.choice(("Id", "LCID", "Language", "EmailAddress", "Default")),
                        str(rng.choice(VALUES)),
                    )
        _read(
            ET.tostring(root, encoding="utf-8")
            if rng.random() < 0.9
            else ET.tostring(root, encoding="utf-16")
        )

    def json_rearranged(self, rng: random.Random) -> None:
        value = json.loads(self.files["json"])
        for _ in range(rng.randint(1, 3)):
            spots = list(_spots(value))
            holder, key = rng.choice(spots)
            other, other_key = rng.choice(spots)
            match rng.randrange(4):
                case 0:
                    del holder[key]
                case 1:
                    holder[key] = copy.deepcopy(other[other_key])
                case 2 if isinstance(holder, list):
                    holder.append(copy.deepcopy(holder[key]))
                case _:
                    holder[key] = copy.deepcopy(rng.choice(VALUES))
        _read(json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass"))


def _spots(value: Any) -> Any:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inside:
        yield value, key
        yield from _spots(child)


def _read(data: bytes) -> None:
    """What is read can be written, and is then read as the same."""
    _form, file = read_file(data)
    for form in FORMATS:
        assert read_file(write_file(file, form))[1] == file


TARGETS: dict[str, Callable[[Subject, random.Random], None]] = {
    "xml": lambda subject, rng: subject.injured("xml", rng),
    "json": lambda subject, rng: subject.injured("json", rng),
    "xml-rearranged": Subject.xml_rearranged,
    "json-rearranged": Subject.json_rearranged,
}


if __name__ == "__main__":
    run_by_hand("Fuzz the readers of template files.", TARGETS, Subject)
