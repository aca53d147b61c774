"""Language tags and the numbers (LCIDs) that licenses and template files use for them, from Windows' table."""

import locale
from typing import Final

DEFAULT_LCID: Final = 1033
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


def tag_of(lcid: int) -> str | None:
    """The language with its country for a number, "de-at"; None for one nobody knows."""
    return _BY_LCID.get(lcid)
