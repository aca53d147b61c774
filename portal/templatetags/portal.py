"""What every page needs: icons, times, short ids, badges."""

import datetime as dt
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

register = template.Library()

_TURNS_WITH_TEXT = {"chevron-left", "chevron-right", "arrow-left", "arrow-right", "log-out", "undo-2"}


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A drawing from the sprite; decoration unless a `label` says what it means."""
    classes = "icon icon--turn" if name in _TURNS_WITH_TEXT else "icon"
    address = f"{static('icons/sprite.svg')}#{name}"
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}"/></svg>', classes, label, address
        )
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}"/></svg>', classes, address)


@register.filter
def moment(value: dt.datetime | None) -> str:
    """Date, time and zone, as the person reading wants them: "23 November 2026, 14:05 CET"."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    return (
        f"{formats.date_format(local, 'DATE_FORMAT')}, {formats.date_format(local, 'TIME_FORMAT')} {local:%Z}"
    )


@register.simple_tag
def at(value: dt.datetime | None) -> SafeString:
    """An instant, written out."""
    if value is None:
        return SafeString("")
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), moment(value))


@register.simple_tag
def ago(value: dt.datetime | None) -> SafeString:
    """How long ago (or how far ahead); the exact time on hover and for screen readers."""
    if value is None:
        return SafeString("")
    exact = moment(value)
    return format_html(
        '<time datetime="{}" title="{}">{}<span class="visually-hidden"> ({})</span></time>',
        value.isoformat(),
        exact,
        relative(value, timezone.now()),
        exact,
    )


def relative(value: dt.datetime, now: dt.datetime) -> str:
    """The distance between two instants in one unit; beyond 30 days the date."""
    seconds = (now - value).total_seconds()
    past, distance = seconds >= 0, abs(seconds)
    if distance < 60:
        return _("just now") if past else _("in a moment")
    if distance < 3600:
        n = int(distance // 60)
        text = (
            ngettext("%d minute ago", "%d minutes ago", n)
            if past
            else ngettext("in %d minute", "in %d minutes", n)
        )
    elif distance < 86_400:
        n = int(distance // 3600)
        text = (
            ngettext("%d hour ago", "%d hours ago", n) if past else ngettext("in %d hour", "in %d hours", n)
        )
    elif distance < 30 * 86_400:
        n = int(distance // 86_400)
        text = ngettext("%d day ago", "%d days ago", n) if past else ngettext("in %d day", "in %d days", n)
    else:
        return formats.date_format(timezone.localtime(value), "DATE_FORMAT")
    return text % n


@register.inclusion_tag("components/ident.html")
def ident(value: Any, length: int = 8) -> dict[str, str]:
    """A long id, shortened, with a button that copies all of it."""
    full = str(value)
    return {"full": full, "short": f"{full[:length]}…" if len(full) > length + 1 else full}


@register.inclusion_tag("components/badge.html")
def badge(label: str, tone: str = "") -> dict[str, str]:
    """A state in a word; `tone` is good, warn, bad, info, brand or nothing."""
    return {"label": label, "tone": tone}


@register.filter
def initials(person: str) -> str:
    """One or two letters that stand for a person."""
    words = [
        word for word in person.split("@", maxsplit=1)[0].replace(".", " ").replace("_", " ").split() if word
    ]
    return "".join(word[0] for word in words[:2]) or "?"
