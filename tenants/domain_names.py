"""Mail domains as DNS knows them, the one form in which they are stored and compared; and which may be claimed.

"Bücher.Example.", "xn--bcher-kva.example" and "BÜCHER.example" are one domain. Everything that compares domains or mail
addresses, wherever they come from, asks `canonical_domain` or `canonical_address` first (docs/adr/0044).
"""

import re
from typing import Final

import idna

MAX_LENGTH: Final = 253
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)

# Where anybody gets a mailbox: whoever could place a record there would still not own the people's addresses.
_FREE_MAIL: Final = """
    163.com 126.com aol.com bluewin.ch btinternet.com comcast.net cox.net duck.com email.com fastmail.com foxmail.com
    free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hey.com hotmail.co.uk hotmail.com
    hotmail.de hotmail.fr hushmail.com icloud.com inbox.ru kolabnow.com laposte.net libero.it live.com live.de
    mac.com mail.com mail.de mail.ru mailbox.org mailfence.com me.com msn.com naver.com orange.fr outlook.com
    outlook.de outlook.fr pm.me posteo.de posteo.net proton.me protonmail.ch protonmail.com qq.com rediffmail.com
    sbcglobal.net seznam.cz sfr.fr startmail.com t-online.de tuta.com tuta.io tutanota.com tutanota.de verizon.net
    vodafone.de wanadoo.fr web.de wp.pl yahoo.ca yahoo.co.jp yahoo.co.uk yahoo.com yahoo.de yahoo.es yahoo.fr yahoo.it
    yandex.com yandex.ru ymail.com zoho.com zohomail.com
"""
FREE_MAIL: Final = frozenset(_FREE_MAIL.split())


class DomainNameError(ValueError):
    """The text is not a domain that an organization can claim; `code` says why: "bad_domain" or "free_mail"."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def canonical_domain(text: str) -> str:
    """A domain in lower case, in ASCII (IDNA 2008, with the mapping of UTS 46), without the dot at its end.

    What is no domain comes back in lower case, as it is: it equals no domain that can exist.
    """
    name = text.strip().rstrip(".").lower()
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode("ascii").rstrip(".").lower()
    except (idna.IDNAError, UnicodeError):
        return name


def canonical_address(text: str) -> str:
    """A mail address in lower case with its domain as `canonical_domain` has it; what is no address, in lower case."""
    local, at, domain = text.strip().rpartition("@")
    return f"{local.lower()}@{canonical_domain(domain)}" if at else domain.lower()


def is_free_mail(domain: str) -> bool:
    """Whether anybody gets a mailbox under `domain`, given in lower case."""
    return domain in FREE_MAIL


def clean_domain(text: str) -> str:
    """The domain a person means, as it is stored: lower case, ASCII, no trailing dot, nothing before an at sign.

    Raises `DomainNameError`.
    """
    name = canonical_domain(text.strip().rpartition("@")[2])
    labels = name.split(".")
    if len(name) > MAX_LENGTH or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        raise DomainNameError("bad_domain")
    if labels[-1].isdigit():  # an address of a machine
        raise DomainNameError("bad_domain")
    if is_free_mail(name):
        raise DomainNameError("free_mail")
    return name
