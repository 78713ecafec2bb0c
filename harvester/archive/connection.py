"""Say how requests reach an archive.

Who sends them, with which credentials, through which proxy. Credentials are named, not kept: a profile has the names of
environment variables, whose values are read when a request is sent. They go over HTTPS only, to the hosts that the
profile lists, and with no redirect to another host.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

FROM_ENVIRONMENT = "env"


@dataclass(frozen=True, slots=True)
class Authentication:
    """The names of environment variables with credentials, and who gets these.

    They are a bearer token, or a user and a password.

    ``hosts`` are those of the profile where none are named.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    token: str = ""
    user: str = ""
    password: str = ""
    hosts: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the environment variables that it needs."""
        return tuple(name for name in (self.token, self.user, self.password) if name)

    @property
    def problem(self) -> str:
        """What is wrong with it, in a clause; '' if nothing is."""
        if self.token and not (self.user or self.password):
            return ""
        if self.user and self.password and not self.token:
            return ""
        return "[auth] needs token, or user and password: the names of environment variables, not the values"

    def missing(self, environment: Mapping[str, str]) -> list[str]:
        """Return the variables that are not set."""
        return [name for name in self.variables if not environment.get(name)]

    def header(self, environment: Mapping[str, str]) -> str:
        """Return the value of an Authorization header (RFC 6750, RFC 7617).

        '' where a variable is not set.
        """
        if self.missing(environment):
            return ""
        if self.token:
            return f"Bearer {environment[self.token].strip()}"
        pair = f"{environment[self.user]}:{environment[self.password]}"
        return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Connection:
    """How requests reach an archive.

    ``proxy`` is an address, '' for none, or ``env`` for the environment's.
    """

    auth: Authentication | None = None
    hosts: frozenset[str] = frozenset()
    proxy: str = ""

    @property
    def is_straight(self) -> bool:
        """Whether there is neither a proxy nor credentials."""
        return self.auth is None and not self.proxy

    def headers(self, url: str, origin: str) -> dict[str, str]:
        """Return the headers with credentials for ``url``, to which a request for ``origin`` led.

        None for others.
        """
        if self.auth is None:
            return {}
        here, there = urlsplit(url), urlsplit(origin)
        may_know = here.scheme == "https" and here.hostname == there.hostname and here.hostname in self.hosts
        header = self.auth.header(os.environ) if may_know else ""
        return {"Authorization": header} if header else {}

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy that a request for ``url`` goes through; None if it goes straight."""
        if self.proxy != FROM_ENVIRONMENT:
            return self.proxy or None
        from urllib.request import getproxies, proxy_bypass

        parts = urlsplit(url)
        proxies = getproxies()
        if proxy_bypass(parts.hostname or ""):
            return None
        return proxies.get(parts.scheme) or proxies.get("all")


STRAIGHT = Connection()
"""Without credentials and without a proxy."""
