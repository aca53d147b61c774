"""Which server is asked, and with which sign-in.

The rule that everything here serves: a token goes to the origin it was issued for and to no
other. ``RIGHTSKEEP_TOKEN`` belongs to ``RIGHTSKEEP_URL``, a stored sign-in to the server it was
made at. A file may say which server protects it; it cannot make the client send anything there.
"""

from collections.abc import Mapping
from types import TracebackType

from rmsclient.addresses import ServerAddress, address_of_license, parse_address
from rmsclient.credentials import SignInStore
from rmsclient.errors import SignInError, UsageError
from rmsclient.signin import FixedToken, StoredTokens
from rmsclient.transport import TokenSource, Transport


class Connections:
    """Signed-in transports, one for each server, for the length of one command."""

    def __init__(self, environment: Mapping[str, str], store: SignInStore, url: str | None = None) -> None:
        self._store = store
        self._explicit = parse_address(url) if url else None
        stated = environment.get("RIGHTSKEEP_URL", "").strip()
        self._stated = parse_address(stated) if stated else None
        self._token = environment.get("RIGHTSKEEP_TOKEN", "").strip()
        if self._token and self._stated is None:
            raise UsageError(
                "token_without_url",
                "RIGHTSKEEP_TOKEN needs RIGHTSKEEP_URL: the server that issued the token.",
            )
        if not all("!" <= character <= "~" for character in self._token):
            raise UsageError("bad_token", "RIGHTSKEEP_TOKEN holds characters that no token has.")
        self._open: dict[str, Transport] = {}

    def __enter__(self) -> "Connections":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in self._open.values():
            transport.close()

    def default(self) -> Transport:
        """The server to work with: ``--url``, else RIGHTSKEEP_URL, else the latest sign-in."""
        server = self._explicit or self._stated
        if server is None:
            latest = self._store.default()
            if latest is None:
                raise SignInError("not_signed_in", "You are not signed in. Run: rightskeep login URL")
            server = parse_address(latest.url)
        return self._transport(server, self._tokens(server))

    def for_license(self, licensing_url: str | None) -> Transport:
        """The server that a licence names, if there is a sign-in for exactly that one; else the one of ``--url``."""
        if not licensing_url:
            raise SignInError("no_server_named", "The file does not say which server protects it.")
        try:
            named = address_of_license(licensing_url)
        except UsageError as problem:
            raise SignInError(
                "no_server_named", f"The file names an unusable server as its own ({problem})"
            ) from None
        known = next((a for a in (self._stated, self._explicit) if a and a.origin == named.origin), None)
        if known is None and (stored := self._store.find(named.origin)):
            known = parse_address(stored.url)
        # An installation that has moved: the person names its new address, and the sign-in is for that one.
        known = known or self._explicit
        tokens = self._tokens(known) if known else None
        if known is None or tokens is None:
            raise SignInError(
                "other_installation",
                f"This file is protected by {named}, where you are not signed in. If you trust that server, "
                f"run: rightskeep login {named}",
            )
        return self._transport(known, tokens)

    def _tokens(self, server: ServerAddress) -> TokenSource | None:
        if self._token and self._stated and self._stated.origin == server.origin:
            return FixedToken(self._token)
        stored = self._store.find(server.origin)
        return StoredTokens(server, self._store, stored) if stored else None

    def _transport(self, server: ServerAddress, tokens: TokenSource | None) -> Transport:
        if tokens is None:
            raise SignInError(
                "not_signed_in", f"You are not signed in at {server}. Run: rightskeep login {server}"
            )
        if server.origin not in self._open:
            self._open[server.origin] = Transport(server, tokens)
        return self._open[server.origin]
