"""A file of templates on its way through two pages: chosen, looked at, imported."""

import base64
import binascii
import zlib
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from policies.exchange.shapes import MAX_BYTES

_MAX_NAMES = 5000


class UploadForm(forms.Form):
    """The file as it is chosen."""

    file = forms.FileField(
        label=_("File"),
        help_text=_("XML or JSON, as this page or another installation wrote it; at most 10 MiB."),
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"class": "input", "accept": ".xml,.json,application/xml,application/json"}
        ),
    )

    def data_of(self) -> bytes:
        """What the file holds, cut off just behind what is too much."""
        uploaded: Any = self.cleaned_data["file"]
        data: bytes = uploaded.read(MAX_BYTES + 1)
        return data


def packed(data: bytes) -> str:
    """The file as it waits in the page for the confirmation."""
    return base64.b64encode(zlib.compress(data)).decode()


def unpacked(text: str) -> bytes | None:
    """What `packed` made; None for anything else."""
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MAX_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error):
        return None
    return data or None


def mapping_of(post: QueryDict) -> dict[str, str]:
    """Whom to take for the names that the file uses, where something was typed."""
    names, targets = post.getlist("name")[:_MAX_NAMES], post.getlist("who")[:_MAX_NAMES]
    return {name: who.strip()[:300] for name, who in zip(names, targets, strict=False) if who.strip()}
