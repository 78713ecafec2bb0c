"""Let this user's browser talk to the server from the page itself, and nothing else.

The address has a token, which becomes a cookie. The Host header is checked, since a page elsewhere can make its own
name lead to 127.0.0.1 (DNS rebinding); cookies are of a host, not of a port, so the port is in the cookie's name.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""What every response says: nothing is loaded from elsewhere, framed or kept."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The rules of one server on 127.0.0.1."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def url(self) -> str:
        """The address that lets a browser in."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The cookie's name."""
        return f"harvester-{self.port}"

    def is_token(self, given: str | None) -> bool:
        """Return whether ``given`` is the token, in a time that does not depend on it."""
        return given is not None and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self.token.encode())

    def refusal(
        self, method: str, headers: Mapping[str, str], query: Mapping[str, str], cookies: Mapping[str, str]
    ) -> str | None:
        """Return why a request is refused, None if it is not."""
        hosts = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")}
        if headers.get("Host", "") not in hosts:
            return "the Host header is not this server's address"
        origins = {f"http://{host}" for host in hosts}
        if headers.get("Origin", next(iter(origins))) not in origins:
            return "another page asked"
        if not (self.is_token(query.get("token")) or self.is_token(cookies.get(self.cookie))):
            return "the token is missing or wrong: open the address that `harvester browse` printed"
        if method != "GET" and not (headers.get("Origin") and headers.get("Content-Type") == "application/json"):
            return "a change has to come from the page itself"
        return None
