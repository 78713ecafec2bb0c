"""Find the URLs that lead to a spectrum.

They are those of a SODA service, of its datalink document, or of the file itself; nothing is requested here. They share
the connection (``client.py``), and differ in which URLs are requested one after the other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from ..model.outcomes import Fetched
from ..model.target import SpectrumId, Target
from ..vo.soda import SodaRequest
from ..vo.urls import with_query
from .profile import ArchiveProfile
from .url_policy import check_url


class AccessMethod(Protocol):
    """Which URLs lead to a spectrum; ``hosts`` may be requested besides the first one's."""

    @property
    def hosts(self) -> Collection[str]: ...

    def url(self, target: Target) -> str:
        """Return what is requested first. FetchError if there is nothing that may be requested."""
        ...

    def next_url(self, target: Target, answer: Fetched) -> str | None:
        """Return what is requested next; None if ``answer`` is the spectrum itself.

        FetchError if it leads nowhere.
        """
        ...


@dataclass(frozen=True, slots=True)
class SodaAccess:
    """A SODA service makes the spectrum, as its parameters say."""

    request: SodaRequest
    hosts: Collection[str] = ()

    def url(self, target: Target) -> str:
        return self.request.url(target.did)

    def next_url(self, target: Target, answer: Fetched) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class DatalinkAccess:
    """The datalink document says where the file is.

    ``service`` gives the documents by ID, ``most`` in one; where it is '', the catalog has their URLs.
    """

    service: str
    hosts: Collection[str]
    most: int = 1

    def url(self, target: Target) -> str:
        if self.service:
            return with_query(self.service, {"ID": target.did})
        return check_url(target.address, self.hosts)

    def next_url(self, target: Target, answer: Fetched) -> str | None:
        from ..vo.datalink import file_of, is_link_document

        if not is_link_document(answer.body):
            return None
        return check_url(file_of(answer.body, answer.url, target.did if self.service else ""), self.hosts)


@dataclass(frozen=True, slots=True)
class DirectAccess:
    """The file is where the ``template`` says, else where the catalog does.

    Placeholders are ``{id}``, ``{path}`` and ``{name}``.
    """

    template: str
    hosts: Collection[str]

    def url(self, target: Target) -> str:
        return check_url(filled(self.template, target.did) if self.template else target.address, self.hosts)

    def next_url(self, target: Target, answer: Fetched) -> str | None:
        return None


def access_method(profile: ArchiveProfile, request: SodaRequest) -> AccessMethod:
    """Return how the archive's spectra are fetched."""
    match profile.mode:
        case "datalink":
            return DatalinkAccess(profile.endpoint, profile.all_hosts, profile.links_per_request)
        case "direct":
            return DirectAccess(profile.endpoint, profile.all_hosts)
    return SodaAccess(request, profile.all_hosts)


def filled(template: str, did: SpectrumId) -> str:
    """Return the URL of one spectrum.

    ``{path}`` is what the archive itself named, behind authority or ``?``.
    """
    _, question, local = did.partition("?")
    named = did.partition("://")[2].partition("/")[2] if "://" in did else did
    path = local if question else named
    address = template.replace("{id}", quote(did, safe="")).replace("{path}", quote(path))
    return address.replace("{name}", quote(did.rpartition("/")[2], safe=""))
