"""Describe the origin and the result of a run as a W3C PROV document.

The model is PROV-DM in PROV-JSON; the IVOA Provenance DM 1.0 has the same entities, activities and agents. The document
is about the run and stays small: what was requested for each spectrum, when, and with what result, are rows of the
ledger's view ``provenance``. The digests of the collection do not depend on names or order, and ``content_sha256`` not
on the date either: two people who have the same spectra have the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from .._version import __version__
from ..catalog.reader import Catalog
from ..config.configuration import Configuration
from ..events.stats import HarvestStats
from ..formatting import iso_utc, masked
from ..storage.run_folder import PROFILE, SETTINGS

Attributes = dict[str, object]
Records = dict[str, Attributes]


@dataclass(frozen=True, slots=True)
class Collection:
    """All stored spectra of a directory.

    It has their number, their bytes, and a SHA-256 over their digests.
    """

    spectra: int
    bytes: int
    sha256: str
    content_sha256: str


def collected(rows: Iterable[tuple[str, int, str, str]]) -> Collection:
    """Return the collection of ``rows`` of DID, bytes, SHA-256, content digest, sorted by DID."""
    files, contents = hashlib.sha256(), hashlib.sha256()
    spectra = size = 0
    for did, length, sha256, content_digest in rows:
        spectra, size = spectra + 1, size + length
        files.update(f"{sha256}  {did}\n".encode())
        contents.update(f"{content_digest}  {did}\n".encode())
    return Collection(spectra, size, files.hexdigest(), contents.hexdigest())


def profile_text(configuration: Configuration) -> str:
    """Return the archive's profile for the run's folder.

    The URL of a webhook is masked like a password.
    """
    profile = configuration.profile
    if hook := profile.settings.get("notify"):
        profile = replace(profile, settings={**profile.settings, "notify": masked(str(hook))})
    return profile.as_toml()


def profile_sha256(configuration: Configuration) -> str:
    """Return the digest of that file, by which the ledger names the profile of a run."""
    return hashlib.sha256(profile_text(configuration).encode()).hexdigest()


def document(
    configuration: Configuration, catalog: Catalog, stats: HarvestStats, agent: str, collection: Collection
) -> dict[str, object]:
    """Return the PROV-JSON document of an ended run.

    ``agent`` is the User-Agent header of its requests.
    """
    prefixes = {"harvester": "urn:x-harvester:", "run": f"urn:x-harvester:run:{stats.run}:"}
    records = {
        "entity": _entities(configuration, catalog, collection),
        "agent": _agents(configuration, agent),
        "activity": {"run:harvest": _activity(configuration, stats)},
    }
    return {"prefix": prefixes, **records, **_relations(stats, configuration.settings.contact is not None)}


def _relations(stats: HarvestStats, user_is_known: bool) -> dict[str, Records]:
    """Return which agent used, generated and is responsible for which entity.

    PROV-DM, sections 5.1 to 5.3.
    """
    used = ("catalog", "profile", "service")
    result = _relation("entity", "collection", "activity", "harvest") | {
        "prov:time": _iso(stats.ended or stats.started)
    }
    relations: dict[str, Records] = {
        "used": {f"_:{name}": _relation("activity", "harvest", "entity", name) for name in used},
        "wasGeneratedBy": {"_:result": result},
        "wasDerivedFrom": {"_:source": _relation("generatedEntity", "collection", "usedEntity", "service")},
        "wasAttributedTo": {
            f"_:of_{name}": _relation("entity", name, "agent", "archive") for name in ("service", "collection")
        },
        "wasAssociatedWith": {
            "_:tool": _relation("activity", "harvest", "agent", "harvester") | _reference("plan", "settings")
        },
    }
    if user_is_known:
        relations["actedOnBehalfOf"] = {"_:user": _relation("delegate", "harvester", "responsible", "user")}
    return relations


def _entities(configuration: Configuration, catalog: Catalog, collection: Collection) -> Records:
    profile = configuration.profile
    listed = {"listed": len(catalog.dids), "sha256": catalog.sha256, "ids_sha256": ids_sha256(catalog.dids)}
    return {
        "run:catalog": _element(catalog.source, listed),
        "run:profile": _element(profile.name, {"sha256": profile_sha256(configuration)}, "Plan", PROFILE),
        "run:settings": _element("all settings in force", {}, "Plan", SETTINGS),
        "run:service": _element(profile.title, {"mode": profile.mode}, location=profile.endpoint),
        "run:collection": _element("all stored spectra", asdict(collection), "Collection", str(configuration.location)),
    }


def _agents(configuration: Configuration, agent: str) -> Records:
    user = configuration.settings.contact
    agents = {
        "run:harvester": _element(f"harvester {__version__}", {"user_agent": agent}, "SoftwareAgent"),
        "run:archive": _element(configuration.profile.title, {}, "Organization"),
    }
    return agents if user is None else {**agents, "run:user": _element(user, {}, "Person")}


def _activity(configuration: Configuration, stats: HarvestStats) -> Attributes:
    settings, limits = configuration.settings, configuration.settings.limits
    requested = {
        "fluxcalib": settings.fluxcalib,
        "band": None if settings.band is None else f"{settings.band} m",
        "format": settings.format,
        "rate": limits.rate,
        "concurrency": limits.concurrency,
    }
    names = ("present", "saved", "failed", "remaining", "requests", "bytes", "reason", "exit_code")
    result = {name: getattr(stats, name) for name in names}
    each = {"each_spectrum": "the view provenance of ../../ledger.sqlite: what was requested, and when"}
    times = {"prov:startTime": _iso(stats.started), "prov:endTime": _iso(stats.ended or stats.started)}
    return times | _element(f"harvest {stats.run}", requested | result | each)


def ids_sha256(dids: Iterable[str]) -> str:
    """Return the SHA-256 over the identifiers, one per line, in their order."""
    digest = hashlib.sha256()
    for did in dids:
        digest.update(f"{did}\n".encode())
    return digest.hexdigest()


def _element(label: str, own: Mapping[str, object], kind: str | None = None, location: str | None = None) -> Attributes:
    """Return the attributes of an element that are not None, ``own`` in our namespace."""
    typed = None if kind is None else {"$": f"prov:{kind}", "type": "prov:QUALIFIED_NAME"}
    attributes: Attributes = {"prov:label": label, "prov:type": typed, "prov:location": location}
    attributes |= {f"harvester:{name}": value for name, value in own.items()}
    return {name: value for name, value in attributes.items() if value is not None}


def _relation(subject: str, name: str, other: str, other_name: str) -> Attributes:
    return _reference(subject, name) | _reference(other, other_name)


def _reference(role: str, name: str) -> Attributes:
    return {f"prov:{role}": f"run:{name}"}


def _iso(seconds: float) -> str:
    return iso_utc(seconds, "milliseconds")
