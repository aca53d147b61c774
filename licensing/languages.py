"""The name of a policy in the language of the reader."""

from collections.abc import Iterable, Sequence

from rms.languages import tag_of
from rms.xrml import LocalName


def best_name(names: Sequence[LocalName], languages: Iterable[str]) -> tuple[str, str]:
    """Name and description in the most wanted language there is, else the first; empty texts when there are none."""
    by_language = {}
    for entry in reversed(names):
        tag = tag_of(entry.lcid) or "en-us"
        by_language[tag.partition("-")[0]] = entry
        by_language[tag] = entry
    for wanted in languages:
        for tag in (wanted.lower(), wanted.lower().partition("-")[0]):
            if tag in by_language:
                return by_language[tag].name, by_language[tag].description
    return (names[0].name, names[0].description) if names else ("", "")
