"""Decide which URLs may be requested.

Those are HTTP URLs without credentials, on hosts that the user or the profile named. What a server or a catalog says is
not trusted: a URL may lead to the user's own network.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import SplitResult, urljoin, urlsplit

from ..formatting import plain_line
from ..model.failures import Failure, FailureKind, FetchError
from ..vo.urls import quote_url


def resolve_redirect(origin: str, place: str, location: str, hosts: Collection[str] = ()) -> str:
    """Return the absolute URL that a redirect leads to.

    FetchError where it must not be followed. Allowed are the origin's host and ``hosts``, http or https, but never from
    https back to http, and no credentials.
    """
    try:
        there = urljoin(place, location)
        here, target = urlsplit(place), _split(there)
        known = {urlsplit(origin).hostname, *hosts}
    except ValueError:
        raise FetchError(
            Failure(FailureKind.REDIRECT_BLOCKED, "redirected to something that is not a URL"), origin
        ) from None
    reason = _objection(target, known)
    if reason is None and here.scheme == "https" and target.scheme == "http":
        reason = "that gives up encryption"
    if reason:
        raise FetchError(Failure(FailureKind.REDIRECT_BLOCKED, f"redirected to {_shown(target)!a}: {reason}"), origin)
    return there


def check_url(url: str, hosts: Collection[str]) -> str:
    """Return the URL in a catalog or a datalink document as it is requested.

    FetchError if it may not be.
    """
    if not url:
        raise FetchError(Failure(FailureKind.NO_URL, "the catalog has no access_url for it"))
    fitting = quote_url(url)
    try:
        target = _split(fitting)
    except ValueError:
        words = f"its address is not a valid URL: {plain_line(url, 120)}"
        raise FetchError(Failure(FailureKind.NO_URL, words)) from None
    reason = _objection(target, hosts)
    if reason:
        advice = f" (hosts in the archive's profile has {', '.join(sorted(hosts)) or 'none'})"
        words = f"its address is {_shown(target)!a}: {reason}{advice if 'host' in reason else ''}"
        raise FetchError(Failure(FailureKind.NO_URL, words))
    return fitting


def _split(url: str) -> SplitResult:
    """Return the parts of a URL; ValueError if it is none."""
    from yarl import URL

    target = urlsplit(url)
    URL(url, encoded=True)
    if target.port == 0:
        raise ValueError(url)
    return target


def _objection(target: SplitResult, hosts: Collection[str | None]) -> str | None:
    if target.scheme not in ("http", "https"):
        return "that is not HTTP"
    if target.hostname not in hosts:
        return "that is another host"
    if target.username or target.password:
        return "that carries credentials"
    return None


def _shown(target: SplitResult) -> str:
    netloc = target.netloc.rpartition("@")[2]
    return f"{target.scheme}://{netloc}{target.path}"[:120]
