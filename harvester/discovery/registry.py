"""Resolve an IVOA identifier to the URL of its service by the registry.

It is queried by RegTAP 1.1, with pyvo (an extra).

Which registry that is, pyvo's environment variable IVOA_REGISTRY says, or else pyvo.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import ArchiveError, UsageError
from ..formatting import plain_line
from ..model.invocation import install_line

_KINDS = {"ssa": "SSAP", "tap": "TAP"}  # the first that is there; SSAP leads to TAP on the same host by itself


@dataclass(frozen=True, slots=True)
class Registered:
    """A service of an identifier: its URL, and whether it is SSAP or TAP."""

    url: str
    kind: str


def is_ivoid(text: str) -> bool:
    return text[:6].lower() == "ivo://"


async def look_up(ivoid: str) -> Registered:
    """Return the one service behind ``ivoid``.

    UsageError without pyvo, ArchiveError for none, several, or no registry.
    """
    try:
        found = await asyncio.to_thread(_interfaces, re.split("[?#]", ivoid, maxsplit=1)[0])
    except ModuleNotFoundError as error:
        if error.name != "pyvo":
            raise
        raise UsageError(
            f"discover {ivoid}: identifiers are looked up with pyvo, which is not installed: "
            f"{install_line('specharvest[vo]')}, or give the service's address, http://... or https://..."
        ) from None
    if found is None:
        raise ArchiveError(f"{ivoid}: the registry does not know it")
    for kind, name in _KINDS.items():
        urls = _one_of_each(url for url, what in found if what == kind)
        if len(urls) > 1:
            raise ArchiveError(
                f"{ivoid}: several {name} services are registered; give the address of one: {_listed(urls)}"
            )
        if urls:
            return Registered(urls[0], name)
    others = _listed(sorted({what for _, what in found}))
    raise ArchiveError(f"{ivoid}: it is registered, but with neither SSAP nor TAP (it has: {others or 'no service'})")


def _interfaces(ivoid: str) -> list[tuple[str, str]] | None:
    """Return URL and kind of each standard interface; None where the identifier is unknown.

    Block until the registry has answered.
    """
    from pyvo import dal, registry

    try:
        resources = registry.search(registry.Ivoid(ivoid))
        if len(resources) == 0:
            return None
        resource = resources[0]
        return [(one.access_url, _kind(one)) for one in resource.list_interfaces() if one.is_standard]
    except dal.DALAccessError as error:
        host = urlsplit(registry.regtap.get_RegTAP_service().baseurl).hostname
        is_away = isinstance(getattr(error, "cause", None), OSError) and getattr(error, "code", None) is None
        said = "cannot be reached" if is_away else f"does not respond: {plain_line(str(error))}"
        remedy = "give the service's own address, or choose another registry with IVOA_REGISTRY"
        raise ArchiveError(f"{ivoid}: the registry {host} {said}; {remedy}") from None


def _kind(interface: Any) -> str:
    return str(interface.standard_id).partition("#")[0].rpartition("/")[2]


def _one_of_each(urls: Iterable[str]) -> list[str]:
    """Return each service once: with TLS, where it is there with and without it."""
    by_place = {url.partition("://")[2]: url for url in sorted(urls)}
    return list(by_place.values())


def _listed(words: list[str]) -> str:
    return plain_line(", ".join(words), 600)
