"""Build, compare and split URLs."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address
from socket import inet_aton
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote_plus, urlsplit

Mode = Literal["soda", "datalink", "direct"]
"""What the URL of a spectrum leads to: a SODA service, a datalink document, or the file itself."""


def is_web(url: str) -> bool:
    """Return whether ``url`` can be requested.

    It is HTTP, with a possible host and port, and without credentials.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        return parts.scheme in ("http", "https") and bool(host) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # UnicodeError, too
        return False


def host_of(url: str) -> str:
    """Return the host of a URL, in lower case; '' if it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_inside(host: str) -> bool:
    """Return whether ``host`` is a number of this machine or of a private network.

    Names are not looked up.
    """
    host = host.rstrip(".")
    try:
        return not ip_address(host).is_global
    except ValueError:
        pass
    try:
        return not IPv4Address(inet_aton(host)).is_global  # 127.1, 0x7f000001, and what else systems understand
    except OSError:
        return host == "localhost" or host.endswith(".localhost")


def quote_url(url: str) -> str:
    """Return ``url`` with nothing in it that a URL may not have.

    What is encoded already stays as it is.
    """
    return quote(url.strip(), safe="%/:=&?~#+!$,;'@()*[]")


def with_query(url: str, values: dict[str, str]) -> str:
    """Return ``url`` with these parameters in place of its own of the same names.

    Names have no case.
    """
    base, _, fragmentless = url.partition("#")[0].partition("?")
    ours = {name.casefold() for name in values}
    kept = [
        pair for pair in fragmentless.split("&") if pair and unquote_plus(pair.partition("=")[0]).casefold() not in ours
    ]
    added = [f"{quote(name, safe='')}={quote(value, safe='/:~')}" for name, value in values.items()]
    return f"{base}?{'&'.join([*kept, *added])}"


def query_of(url: str) -> dict[str, str]:
    """Return the parameters of a URL, their names in capitals."""
    return {name.upper(): value for name, value in parse_qsl(urlsplit(url).query)}


def without_query(url: str, values: dict[str, str]) -> str:
    """Return ``url`` without parameters of these names, and without its fragment."""
    base, _, query = url.partition("#")[0].partition("?")
    names = {name.casefold() for name in values}
    kept = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]).casefold() not in names]
    return f"{base}?{'&'.join(kept)}" if kept else base
