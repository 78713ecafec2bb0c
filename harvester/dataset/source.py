"""Select what goes into a data set: the stored spectra that a catalog lists, or all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..catalog.columns import NO_TEXT
from ..catalog.faults import LONGEST_COLUMN
from ..catalog.packed_strings import StringMap
from ..catalog.reader import Catalog, Conflict, read_catalog
from ..config.configuration import Configuration
from ..formatting import iso_utc
from ..ledger import queries
from ..model.target import SpectrumId
from .catalog_columns import CatalogColumn, ColumnTypes
from .run_profiles import RunProfiles
from .schema import NAMES
from .stored_files import StoredFile, stored_files


@dataclass(frozen=True, slots=True)
class Origin:
    """Where ``count`` spectra come from, according to the ledger.

    saved: the earliest and latest time, seconds since 1970. archives: of the runs that saved them; a ledger rebuilt
    from the files has none.
    """

    count: int
    columns: tuple[CatalogColumn, ...]
    archives: tuple[str, ...]
    request: str | None
    servers: tuple[str, ...]
    runs: tuple[str, ...]
    saved: tuple[float, float] | None
    conflicts: tuple[Conflict, ...] = ()
    """Spectra that the catalog lists with different labels."""

    @property
    def archive(self) -> str | None:
        """The names of all archives; None if none is on record."""
        return " and ".join(self.archives) or None

    def as_json(self) -> dict[str, Any]:
        """Return it as the data set's metadata have it.

        Nothing in it depends on when it is written.
        """
        return {
            "archive": self.archive,
            "servers": self.servers,
            "requested": self.request,
            "runs": self.runs,
            "retrieved": self.saved and [iso_utc(when) for when in self.saved],
        }


def _as_text(columns: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``columns`` as a data set can hold them, which old ledgers do not guarantee."""
    return {NO_TEXT.sub("\ufffd", name)[:LONGEST_COLUMN]: NO_TEXT.sub("\ufffd", text) for name, text in columns.items()}


class Source:
    """The stored spectra that a catalog lists, with its columns.

    Without a catalog these are all stored spectra.
    """

    def __init__(self, configuration: Configuration) -> None:
        settings = configuration.settings
        self._store = configuration.open_store()
        named = "archive" in settings.model_fields_set
        self._profiles = RunProfiles(self._store, always=configuration.profile.conventions if named else None)
        self.folder = self._store.location
        self.catalog: Catalog | None = None
        self._rows: Mapping[SpectrumId, int] = {}
        if settings.catalog is not None:
            self.catalog = read_catalog(settings.catalog, configuration.catalog_rules())
            self._rows = StringMap((did, row) for row, did in enumerate(self.catalog.dids))

    def __iter__(self) -> Iterator[StoredFile]:
        for stored in stored_files(self._store, self._profiles):
            if self.catalog is None:
                yield replace(stored, columns=_as_text(stored.columns))
            elif (row := self._rows.get(stored.did)) is not None:
                yield replace(stored, columns=json.loads(self.catalog.columns[row]))

    def size_of(self, spectra: int) -> float:
        """Return about how many bytes the files of that many spectra have."""
        return spectra * (queries.mean_size(self._store.ledger) or 0.0)

    @property
    def conflicts(self) -> Sequence[Conflict]:
        """Where the catalog, or without one that of the last run, gives one DID two labels."""
        return queries.conflicts(self._store.ledger) if self.catalog is None else self.catalog.conflicts

    def absent(self, stored: int) -> int:
        """Return how many wanted spectra are not among the ``stored`` ones.

        Without a catalog those are wanted that the last run left, neither stored nor given up, or that are gone since.
        """
        if self.catalog is not None:
            return len(self.catalog.dids) - stored
        last = queries.last_run(self._store.ledger)
        if last is None:
            return 0
        if last.ended is None and not last.summary["listed"]:  # killed before it could record its numbers
            counts = queries.counts(self._store.ledger)
            return sum(counts.get(status, (0, 0))[0] for status in ("wanted", "retry"))
        numbers, lost = last.summary, queries.lost_since_last_run(self._store.ledger)
        if "on_disk" not in numbers:  # an older version ran last
            return int(numbers["remaining"]) + lost
        return int(numbers["listed"] - numbers["on_disk"] - (numbers["failed"] - numbers["kept"])) + lost

    def unrecorded(self) -> int:
        """Count the stored files that the ledger does not list as stored.

        A run that was killed leaves such files. 0 with a catalog: it lists what is to be there.
        """
        if self.catalog is not None:
            return 0
        recorded = StringMap((row["name"], 0) for row in queries.stored(self._store.ledger))
        return sum(name not in recorded for name in self._store.sizes())

    def origin(self) -> Origin:
        """Summarize what the ledger says of all of them, without reading a file."""
        count, types = 0, ColumnTypes()
        archive_of = {record.run: record.archive for record in queries.runs(self._store.ledger)}
        archives: set[str] = set()
        servers: set[str] = set()
        runs: set[str] = set()
        saved: list[float] = []
        for stored in self:
            count += 1
            types.add(stored.columns)
            servers |= {"/".join(stored.url.split("/")[:3])} if stored.url else set()
            runs |= {stored.run} if stored.run else set()
            if stored.saved is not None and stored.run in archive_of:
                archives.add(archive_of[stored.run])
            saved = [*saved, stored.saved] if stored.saved is not None else saved
            saved = [min(saved), max(saved)] if saved else []
        return Origin(
            count,
            types.columns(NAMES),
            tuple(sorted(archives)),
            queries.request_parameters(self._store.ledger),
            tuple(sorted(servers)),
            tuple(sorted(runs)),
            (saved[0], saved[1]) if saved else None,
            tuple(self.catalog.conflicts if self.catalog else queries.conflicts(self._store.ledger)),
        )
