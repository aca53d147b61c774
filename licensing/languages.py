"""Language tags and the numbers that licenses use for them."""

import locale
from collections.abc import Iterable, Sequence

from rms.xrml import LocalName

DEFAULT_LCID = 1033
# The number of a bare language is that of its main country: Windows' table lists those first or by the same two letters.
_BY_TAG: dict[str, int] = {}
for _lcid, _name in sorted(locale.windows_locale.items()):
    _tag = _name.replace("_", "-").lower()
    _BY_TAG.setdefault(_tag, _lcid)
    _language, _, _country = _tag.partition("-")
    if _country == _language:
        _BY_TAG[_language] = _lcid
    else:
        _BY_TAG.setdefault(_language, _lcid)
_BY_TAG |= {
    "en": DEFAULT_LCID,
    "c": DEFAULT_LCID,
    "": DEFAULT_LCID,
    "sv": 1053,
    "da": 1030,
    "ja": 1041,
    "zh": 2052,
}
_BY_LCID = {lcid: name.replace("_", "-").lower() for lcid, name in locale.windows_locale.items()}


def lcid_of(tag: str) -> int:
    """The number for a language tag ("de-AT", "de", "C"), English when it is unknown."""
    tag = tag.strip().lower().replace("_", "-")
    return _BY_TAG.get(tag) or _BY_TAG.get(tag.partition("-")[0]) or DEFAULT_LCID


def best_name(names: Sequence[LocalName], languages: Iterable[str]) -> tuple[str, str]:
    """Name and description in the most wanted language there is, else the first; empty texts when there are none."""
    by_language = {}
    for entry in reversed(names):
        tag = _BY_LCID.get(entry.lcid, "en-us")
        by_language[tag.partition("-")[0]] = entry
        by_language[tag] = entry
    for wanted in languages:
        for tag in (wanted.lower(), wanted.lower().partition("-")[0]):
            if tag in by_language:
                return by_language[tag].name, by_language[tag].description
    return (names[0].name, names[0].description) if names else ("", "")
