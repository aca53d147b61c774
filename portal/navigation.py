"""The frame around every page: what stands in the navigation, and the facts its head shows."""

from dataclasses import dataclass
from functools import cached_property

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from administration.models import Removal
from administration.removal import pending_of
from portal.preferences import theme_of
from tenants.membership import ADMINISTER, MANAGE_KEYS, READ_KEYS, READ_LOGS, READ_PEOPLE, READ_SETTINGS, may
from tenants.models import Tenant, User


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation; `actions` are those of which a role must allow one, `member` needs an organization."""

    label: Promise | str
    url_name: str
    icon: str
    actions: tuple[str, ...] = ()
    member: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    label: Promise | str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Item:
    label: str
    address: str
    icon: str
    current: bool
    exact: bool


PLACES = (
    Section(
        "",
        (
            Place(_("Home"), "home", "house", member=False),
            Place(_("Documents"), "documents", "file-text"),
            Place(_("Protect"), "protect", "shield-check"),
            Place(_("Open"), "open", "lock-open", member=False),
        ),
    ),
    Section(
        _("Organization"),
        (
            Place(_("Templates"), "templates", "layout-template"),
            Place(_("People"), "people", "user", (READ_PEOPLE,)),
            Place(_("Groups"), "groups", "users", (READ_PEOPLE,)),
            Place(_("Keys"), "keys", "key-round", (MANAGE_KEYS, READ_KEYS)),
            Place(_("Logs"), "logs", "scroll-text", (READ_LOGS,)),
            Place(_("Settings"), "settings", "settings", (ADMINISTER, READ_SETTINGS)),
        ),
    ),
)

# The tabs of the settings pages, in this order.
SETTINGS = (
    Place(_("Organization"), "settings", "settings", (ADMINISTER, READ_SETTINGS)),
    Place(_("Domains"), "domains", "globe", (ADMINISTER,)),
    Place(_("Directory"), "directory", "users", (ADMINISTER,)),
    Place(_("Sign-in"), "sign_in_settings", "key-round", (ADMINISTER,)),
    Place(_("Security"), "security_settings", "fingerprint-pattern", (ADMINISTER,)),
    Place(_("Roles"), "roles", "users-round", (READ_SETTINGS,)),
    Place(_("Super users"), "super_users", "shield-check", (READ_SETTINGS,)),
    Place(_("Protecting"), "protecting", "lock", (READ_SETTINGS,)),
    Place(_("Limits"), "limits", "ban", (READ_SETTINGS,)),
    Place(_("Services"), "services", "terminal", (READ_SETTINGS,)),
    Place(_("Deletion"), "removal", "trash-2", (ADMINISTER,)),
)


class Frame:
    """What `base.html` shows around a page; computed only when a template asks."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self.theme = theme_of(request)

    @cached_property
    def person(self) -> User | None:
        user = getattr(self._request, "user", None)
        return user if isinstance(user, User) else None

    @cached_property
    def tenant(self) -> Tenant | None:
        return self.person.tenant if self.person else None

    @cached_property
    def removal(self) -> Removal | None:
        """The deletion that this person's organization awaits."""
        return pending_of(self.tenant) if self.tenant else None

    @cached_property
    def may_cancel_removal(self) -> bool:
        return self.person is not None and may(self.person, ADMINISTER)

    @cached_property
    def navigation(self) -> list[tuple[Promise | str, list[Item]]]:
        if self.person is None:
            return []
        sections = []
        for section in PLACES:
            items = [self._item(place) for place in section.places if self._open_to(self.person, place)]
            if items:
                sections.append((section.label, items))
        return sections

    @cached_property
    def settings_tabs(self) -> list[Item]:
        """The settings pages this person may see."""
        person = self.person
        return [self._item(place) for place in SETTINGS if person and self._open_to(person, place)]

    def _open_to(self, person: User, place: Place) -> bool:
        if place.member and person.tenant_id is None:
            return False
        return not place.actions or any(may(person, action) for action in place.actions)

    def _item(self, place: Place) -> Item:
        address, here = reverse(place.url_name), self._request.path
        current = here == address or (address != "/" and here.startswith(address))
        return Item(str(place.label), address, place.icon, current, here == address)


def frame(request: HttpRequest) -> dict[str, Frame]:
    """The context processor: `frame` in every template."""
    return {"frame": Frame(request)}
