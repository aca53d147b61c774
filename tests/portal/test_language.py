"""German stands beside English: every text of pages and code, translated, compiled, with the same placeholders."""

import ast
import gettext
import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation.template import templatize

CATALOG = settings.BASE_DIR / "locale/de/LC_MESSAGES/django.po"
PACKAGES = ("portal", "tenants", "policies", "tracking", "keys", "audit", "licensing", "administration")
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
}


def first(message: Any) -> str:
    return str(message if isinstance(message, str) else message[0])


@pytest.fixture(scope="module")
def messages() -> dict[str, Any]:
    with CATALOG.open("rb") as file:
        return {first(message.id): message for message in read_po(file, locale="de") if message.id}


def texts_of_code() -> set[str]:
    found = set()
    for package in PACKAGES:
        for path in (settings.BASE_DIR / package).rglob("*.py"):
            if "migrations" not in path.parts:
                found |= {
                    first(text) for _, text, _, _ in extract_from_file("python", path, keywords=KEYWORDS)
                }
    return found


def texts_of_pages() -> set[str]:
    found = set()
    for path in (settings.BASE_DIR / "templates").rglob("*.html"):
        code = templatize(path.read_text(), origin=str(path))
        for call in re.finditer(r"""\b(?:_|n?gettext)\(u?((["'])(?:\\.|(?!\2).)*\2)""", code):
            text = ast.literal_eval(call.group(1))
            found.add(text)
    return found


def test_no_text_was_forgotten(messages: dict[str, Any]) -> None:
    assert len(texts_of_pages()) > 300
    assert sorted((texts_of_code() | texts_of_pages()) - set(messages)) == []


def test_every_text_is_translated_with_the_same_placeholders(messages: dict[str, Any]) -> None:
    wrong = []
    for message in messages.values():
        ids, texts = (message.id,), (message.string,)
        if not isinstance(message.id, str):
            ids, texts = message.id, message.string
        placeholders = [set(re.findall(r"%\(\w+\)s|%[ds]|\{\w+\}", text)) for text in (*ids, *texts)]
        if (
            message.fuzzy
            or not all(texts)
            or len(texts) != len(ids)
            or any(p != placeholders[0] for p in placeholders)
        ):
            wrong.append(message.id)
    assert wrong == []


def test_the_compiled_catalog_is_that_of_the_source(messages: dict[str, Any]) -> None:
    compiled_path = Path(str(CATALOG.with_suffix(".mo")))
    with compiled_path.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for text, message in messages.items():
        if isinstance(message.id, str):
            assert compiled.gettext(text) == message.string
        else:
            one, many = message.id
            assert [compiled.ngettext(one, many, count) for count in (1, 2)] == list(message.string)
