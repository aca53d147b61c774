"""What the keys and documents of an organization should be, after anything that was done to them."""

import base64
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import transaction

from keys.custody import forget_loaded
from rms.key_package import Package, RecipientKey
from tenants.freshness import forget_facts
from tests.keys.bringing import own_pem
from tests.keys.test_export import recipient

DISABLED, HELD = "key disabled", "key held"
DESTROYED = "key destroyed"
UNUSABLE = "The organization's key cannot be used at the moment."
UNKNOWN = "This license was altered, or it was not issued by this service."


@dataclass
class Document:
    """What somebody has of a document, and by which keys it is to open."""

    license: str
    content_key: str
    sealed_to: str  # as it was issued: with the package
    opens_by: str  # as the register has it now: here

    @property
    def raw(self) -> bytes:
        return base64.b64decode(self.license)


@dataclass
class Key:
    """A key as it should be."""

    state: str = "active"
    held: bool = False
    own: int | None = None  # the number of the customer's own key that was brought
    dying: bool = False  # its destruction is approved, and its grace not over
    to_be_got_off: bool = False

    @property
    def shut(self) -> str:
        """Why nothing opens by it; empty: it opens."""
        if self.state == "destroyed":
            return DESTROYED
        if self.state == "disabled":
            return DISABLED
        return HELD if self.held else ""


def is_holdable(key: Key) -> bool:
    return key.own is not None and not key.held and key.state in ("active", "archived")


def is_held(key: Key) -> bool:
    return key.held


def is_archived(key: Key) -> bool:
    return key.state == "archived"


def is_disabled(key: Key) -> bool:
    return key.state == "disabled" and not key.dying


def is_dying(key: Key) -> bool:
    return key.dying


def may_be_got_off(key: Key) -> bool:
    return key.state in ("archived", "disabled") and not key.held


@dataclass
class Handed:
    """A package, and what opens by it: each key as it was then, with its private half where that was handed over."""

    package: Package
    data: bytes
    keys: dict[str, Key]
    opens: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)


@functools.cache
def theirs() -> RecipientKey:
    return RecipientKey(own_pem(recipient()))


@contextmanager
def undone() -> Iterator[None]:
    """Do something, and have it not happened."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    another_server()


def another_server() -> None:
    forget_facts()
    forget_loaded()
