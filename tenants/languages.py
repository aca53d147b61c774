"""The languages that an organization may write in, each with a number of its own in licenses."""

from collections.abc import Iterable
from typing import Final

from django.utils.translation import get_language_info, gettext

# Those of Django's names that also have a number of their own in Windows' table (`rms.languages`).
LANGUAGES: Final = (
    "en", "de", "fr", "it", "es", "pt", "pt-br", "nl", "da", "sv", "nb", "fi", "is", "et", "lv", "lt", "pl", "cs", "sk",
    "sl", "hr", "hu", "ro", "bg", "mk", "sq", "el", "tr", "ru", "uk", "ca", "eu", "gl", "ga", "cy", "ar", "he", "fa",
    "hi", "th", "vi", "id", "ms", "ja", "ko", "zh-cn", "zh-tw",
)  # fmt: skip
MAX_LANGUAGES: Final = 20


def default_languages() -> list[str]:
    """What an organization writes its templates in until it says otherwise."""
    return ["en", "de"]


def language_name(tag: str) -> str:
    """The name of a language for the reader, "German"; the tag itself for one nobody knows."""
    try:
        return gettext(get_language_info(tag)["name"])
    except KeyError:
        return tag


def in_order(tags: Iterable[str]) -> list[str]:
    """The known ones among `tags`, each once, in the order of `LANGUAGES`."""
    wanted = {tag.lower() for tag in tags}
    return [tag for tag in LANGUAGES if tag in wanted]
