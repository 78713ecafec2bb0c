"""What a run came from and what came of it, as a W3C PROV document (PROV-DM, in PROV-JSON; IVOA Provenance DM 1.0 has
the same entities, activities and agents).

The document is about the run and stays small: what was asked for each spectrum, when, and what came, are rows of the
ledger's view ``provenance``. The collection's digests do not depend on names or order, that of its content not even on
the day: two people who have the same spectra have the same ``content_sha256``.
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
from ..storage.run_folder import PROFILE

Attributes = dict[str, object]
Records = dict[str, Attributes]


@dataclass(frozen=True, slots=True)
class Collection:
    """Every stored spectrum of a directory: how many, their bytes, and a SHA-256 over their digests."""

    spectra: int
    bytes: int
    sha256: str
    content_sha256: str


def collected(rows: Iterable[tuple[str, int, str, str]]) -> Collection:
    """The collection of ``rows`` of DID, bytes, SHA-256 and content digest, which come in the order of their DIDs."""
    files, contents = hashlib.sha256(), hashlib.sha256()
    spectra = size = 0
    for did, length, sha256, content_digest in rows:
        spectra, size = spectra + 1, size + length
        files.update(f"{sha256}  {did}\n".encode())
        contents.update(f"{content_digest}  {did}\n".encode())
    return Collection(spectra, size, files.hexdigest(), contents.hexdigest())


def profile_text(configuration: Configuration) -> str:
    """The archive's profile as it is kept in the run's folder; a webhook's address is as good as a password."""
    profile = configuration.profile
    if hook := profile.settings.get("notify"):
        profile = replace(profile, settings={**profile.settings, "notify": masked(str(hook))})
    return profile.as_toml()


def profile_sha256(configuration: Configuration) -> str:
    """The digest of that file: it tells in the ledger which profile a run had."""
    return hashlib.sha256(profile_text(configuration).encode()).hexdigest()


def document(
    configuration: Configuration, catalog: Catalog, stats: HarvestStats, agent: str, collection: Collection
) -> dict[str, object]:
    """The PROV-JSON document of an ended run; ``agent`` is the User-Agent that the archive was told."""
    prefixes = {"harvester": "urn:x-harvester:", "run": f"urn:x-harvester:run:{stats.run}:"}
    records = {
        "entity": _entities(configuration, catalog, collection),
        "agent": _agents(configuration, agent),
        "activity": {"run:harvest": _activity(configuration, stats)},
    }
    return {"prefix": prefixes, **records, **_relations(stats, configuration.settings.contact is not None)}


def _relations(stats: HarvestStats, user_is_known: bool) -> dict[str, Records]:
    """Who used, made and answers for what (PROV-DM, sections 5.1 to 5.3)."""
    used = ("catalog", "profile", "service")
    result = _said("entity", "collection", "activity", "harvest") | {"prov:time": _iso(stats.ended or stats.started)}
    relations: dict[str, Records] = {
        "used": {f"_:{name}": _said("activity", "harvest", "entity", name) for name in used},
        "wasGeneratedBy": {"_:result": result},
        "wasDerivedFrom": {"_:source": _said("generatedEntity", "collection", "usedEntity", "service")},
        "wasAttributedTo": {
            f"_:of_{name}": _said("entity", name, "agent", "archive") for name in ("service", "collection")
        },
        "wasAssociatedWith": {"_:tool": _said("activity", "harvest", "agent", "harvester") | _by("plan", "settings")},
    }
    if user_is_known:
        relations["actedOnBehalfOf"] = {"_:user": _said("delegate", "harvester", "responsible", "user")}
    return relations


def _entities(configuration: Configuration, catalog: Catalog, collection: Collection) -> Records:
    profile = configuration.profile
    listed = {"listed": len(catalog.dids), "sha256": catalog.sha256, "ids_sha256": ids_sha256(catalog.dids)}
    return {
        "run:catalog": _about(catalog.source, listed),
        "run:profile": _about(profile.name, {"sha256": profile_sha256(configuration)}, "Plan", PROFILE),
        "run:settings": _about("every setting in force", {}, "Plan", "config.toml"),
        "run:service": _about(profile.title, {"mode": profile.mode}, location=profile.endpoint),
        "run:collection": _about("all that is stored", asdict(collection), "Collection", str(configuration.location)),
    }


def _agents(configuration: Configuration, agent: str) -> Records:
    user = configuration.settings.contact
    agents = {
        "run:harvester": _about(f"harvester {__version__}", {"user_agent": agent}, "SoftwareAgent"),
        "run:archive": _about(configuration.profile.title, {}, "Organization"),
    }
    return agents if user is None else {**agents, "run:user": _about(user, {}, "Person")}


def _activity(configuration: Configuration, stats: HarvestStats) -> Attributes:
    chosen, limits = configuration.settings, configuration.settings.limits
    asked = {
        "fluxcalib": chosen.fluxcalib,
        "band": None if chosen.band is None else f"{chosen.band} m",
        "format": chosen.format,
        "rate": limits.rate,
        "concurrency": limits.concurrency,
    }
    names = ("present", "saved", "failed", "remaining", "requests", "bytes", "reason", "exit_code")
    came = {name: getattr(stats, name) for name in names}
    each = {"each_spectrum": "the view provenance of ../../ledger.sqlite: what was asked for it, and when"}
    times = {"prov:startTime": _iso(stats.started), "prov:endTime": _iso(stats.ended or stats.started)}
    return times | _about(f"harvest {stats.run}", asked | came | each)


def ids_sha256(dids: Iterable[str]) -> str:
    """SHA-256 over the listed identifiers, one a line, in their order."""
    digest = hashlib.sha256()
    for did in dids:
        digest.update(f"{did}\n".encode())
    return digest.hexdigest()


def _about(label: str, ours: Mapping[str, object], kind: str | None = None, location: str | None = None) -> Attributes:
    """The attributes of an element, ``ours`` in our own namespace; what is None is left out."""
    typed = None if kind is None else {"$": f"prov:{kind}", "type": "prov:QUALIFIED_NAME"}
    told: Attributes = {"prov:label": label, "prov:type": typed, "prov:location": location}
    told |= {f"harvester:{name}": value for name, value in ours.items()}
    return {name: value for name, value in told.items() if value is not None}


def _said(subject: str, name: str, other: str, other_name: str) -> Attributes:
    return _by(subject, name) | _by(other, other_name)


def _by(role: str, name: str) -> Attributes:
    return {f"prov:{role}": f"run:{name}"}


def _iso(seconds: float) -> str:
    return iso_utc(seconds, "milliseconds")
