"""Collect the rows of answers, and write them as a catalog once all have come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import TracebackType
from typing import Self

from ..errors import ArchiveError
from ..vo.constraints import Constraints
from ..vo.descriptors import Findings
from ..vo.identity import RowIdentity, choose_files
from ..vo.listing import CatalogWriter, ListedRow, ListedSpectrum, ListingColumns, ListingReader, ListingSummary
from ..vo.media_types import MediaKind
from ..vo.urls import host_of, is_inside
from ..vo.votable_model import Row, VotableTable
from .spool import ListingSpool


@dataclass(slots=True)
class _Counts:
    """What is counted while the catalog is written."""

    nameless: int = 0
    outside: int = 0
    other_formats: int = 0
    shared_identifiers: int = 0
    private: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    has_links: bool = False
    has_plain_ids: bool = True


@lru_cache(1024)
def _is_private(host: str) -> bool:
    return is_inside(host)


class ListingCollector:
    """Rows on their way into a catalog. A context manager.

    ``most`` spectra at most are written.
    """

    def __init__(self, by_did: bool, columns: ListingColumns, most: int | None = None) -> None:
        self._by_did = by_did
        self._columns = columns
        self._most = most
        self._spool = ListingSpool()
        self._reader: ListingReader | None = None
        self._header: list[str] = []
        self._is_inside = False

    @classmethod
    def of(cls, findings: Findings, most: int | None = None, columns: ListingColumns | None = None) -> Self:
        """Return one for an archive whose spectra are fetched as ``findings`` say."""
        if columns is None:
            id_column = findings.id_column if findings.by_did or findings.takes_any_id else ""
            link = (findings.link_service, findings.link_column)
            columns = ListingColumns(id_column, findings.url_column, *link, has_addresses=findings.mode != "soda")
        return cls(findings.by_did, columns, most)

    @property
    def spool(self) -> ListingSpool:
        """The rows that came."""
        return self._spool

    @property
    def has_enough(self) -> bool:
        """Return whether all rows of the wanted spectra have come.

        More spectra than are wanted have begun.
        """
        return self._most is not None and self._spool.wanted_datasets > self._most

    def clear(self) -> None:
        """Forget all rows: they are requested again."""
        self._spool.clear()
        self._header = []

    def begin(self, table: VotableTable, url: str, constraints: Constraints) -> ListingReader:
        """Prepare for the rows of ``table``, which came from ``url``.

        ArchiveError if it has no column to go by.
        """
        reader = ListingReader(table, url, constraints, self._columns)
        if self._header and reader.header != self._header:
            raise ArchiveError(f"{url}: its responses have different columns and cannot be combined into one list")
        self._reader, self._header, self._is_inside = reader, reader.header, is_inside(host_of(url))
        return reader

    def add(self, row: Row) -> bool:
        """Keep ``row``. Return whether its dataset came before, with rows of others in between."""
        if self._reader is None:
            raise ArchiveError("a row came before its table")
        return self._spool.add(self._reader.read(row))

    def write(self, sink: CatalogWriter) -> ListingSummary:
        """Write one row for each spectrum; count what is none."""
        counts = _Counts()
        sink.begin(self._header or ["id"])
        spectra = 0
        marks = self._sample_marks()
        samples: dict[str, ListedSpectrum] = {}
        last: ListedSpectrum | None = None
        last_values: dict[str, str] = {}
        for one, row in self._spectra(counts):
            if spectra == self._most:
                break
            values = dict(zip(self._header, [one.identifier, *row.values], strict=True))
            sink.write(values)
            counts.hosts[host_of(one.address)] += bool(one.address)
            counts.has_links |= one.kind is MediaKind.DATALINK
            counts.has_plain_ids &= one.identifier[:6].lower() == "ivo://"
            if spectra in marks:
                samples[one.identifier] = replace(one, waves=_waves(values))
            spectra, last, last_values = spectra + 1, one, values
        if last:
            samples[last.identifier] = replace(last, waves=_waves(last_values))
        return replace(self._summary(spectra, counts), samples=tuple(samples.values()))

    def _summary(self, spectra: int, counts: _Counts) -> ListingSummary:
        repeated = self._spool.repeated
        rows = self._spool.rows - repeated
        if not self._columns.reads_addresses:  # nothing else distinguishes rows of one dataset
            rows, counts.other_formats = rows + repeated, counts.other_formats + repeated
        return ListingSummary(
            spectra,
            rows,
            counts.nameless,
            counts.outside,
            repeated=repeated if self._columns.reads_addresses else 0,
            more=self.has_enough,
            other_formats=counts.other_formats,
            shared_identifiers=counts.shared_identifiers,
            unreadable=counts.unreadable,
            private=counts.private,
            hosts=counts.hosts,
            has_links=counts.has_links,
            has_plain_ids=counts.has_plain_ids,
        )

    def _sample_marks(self) -> tuple[int, ...]:
        """Return the first and the middle one; the last is known when it comes."""
        expected = min(self._spool.wanted_datasets, self._most or self._spool.wanted_datasets)
        return (0, expected // 2)

    def _spectra(self, counts: _Counts) -> Iterator[tuple[ListedSpectrum, ListedRow]]:
        for rows in self._spool.by_dataset():
            yield from (self._one_of(rows, counts) if self._by_did else self._files_of(rows, counts))

    def _one_of(self, rows: list[ListedRow], counts: _Counts) -> Iterator[tuple[ListedSpectrum, ListedRow]]:
        """Yield the one spectrum that a service gives for an identifier."""
        if not rows[0].identity.dataset:
            counts.nameless += len(rows)
            return
        best = min(rows, key=lambda row: row.identity.kind)
        counts.other_formats += len(rows) - 1
        if not best.is_wanted:
            counts.outside += 1
            return
        yield ListedSpectrum(best.identity.dataset, best.identity.address, best.identity.kind), best

    def _files_of(self, rows: list[ListedRow], counts: _Counts) -> Iterator[tuple[ListedSpectrum, ListedRow]]:
        """Yield each file of a dataset."""
        reachable = [row for row in rows if row.identity.address]
        counts.nameless += len(rows) - len(reachable)
        allowed = [row for row in reachable if not self._is_private(row.identity)]
        counts.private += len(reachable) - len(allowed)
        if not allowed:
            return
        files = choose_files([row.identity for row in allowed])
        counts.other_formats += files.other_formats
        counts.shared_identifiers += len(files.chosen) > 1
        if files.unreadable:
            types = (row.identity.media_type for row in allowed if not row.identity.kind.is_readable)
            counts.unreadable.update(kind or "no media type" for kind in types)
        for at, identifier in files.chosen:
            row = allowed[at]
            if row.is_wanted:
                yield ListedSpectrum(identifier, row.identity.address, row.identity.kind), row
            else:
                counts.outside += 1

    def _is_private(self, identity: RowIdentity) -> bool:
        """Return whether an archive in the world leads into the user's own network."""
        return not self._is_inside and _is_private(host_of(identity.address))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.__exit__(kind, error, trace)


def _waves(values: Mapping[str, str]) -> tuple[float, float] | None:
    """Return the listed limits of a spectrum in metres; None unless both make sense."""
    low, high = (values.get(name, "") for name in ("wave_min", "wave_max"))
    limits = (float(low), float(high)) if low and high else (0.0, 0.0)
    return limits if 0 < limits[0] < limits[1] else None
