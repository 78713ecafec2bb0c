"""List an archive by its TAP service, in pages.

Each begins behind the identifier at which the last one ended. Rows of one spectrum are never torn apart: those of the
last DID of a page may go on in the next, so they are left to it. That, too, is how a page goes on that breaks off:
behind the last spectrum that is complete. Without an ORDER BY nothing of this would hold (TAP 1.1 promises no order),
and a service that ignores it would leave spectra out silently. So none may come twice, and all that are counted must
come. Where DIDs are missing or shared, the addresses of the files take their place.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from ..errors import ArchiveError
from ..formatting import count as thousands
from ..formatting import plain_line, plural
from ..vo.adql import column, conditions, count
from ..vo.columns import ADDRESS, column_index, named_index
from ..vo.constraints import Constraints
from ..vo.descriptors import Findings
from ..vo.listing import CatalogWriter, ListingSummary
from ..vo.votable_model import SpectraTable, VotableField, VotableTable
from .client import ServiceUnavailableError, VoClient
from .collect import ListingCollector
from .refusals import is_too_slow
from .tap import columns_of, fields_for
from .tap_ranges import Ranges
from .tap_service import REFUSALS, TapService
from .tap_walk import Pages, PagingError

PAGE = 10_000  # rows
_MOST_DIGITS = 18  # of a count of rows: that of a BIGINT
_NO_FUNCTION = re.compile(r"LOWER|CONTAINS|CIRCLE|POINT|function", re.IGNORECASE)
_UNCOUNTED = sys.maxsize  # rows of a table that the service does not count
Tell = Callable[[int, int], None]
"""Called with progress: rows read, and rows that there are; the same where these are not counted."""


async def list_by_pages(
    client: VoClient,
    findings: Findings,
    constraints: Constraints,
    sink: CatalogWriter,
    tell: Tell,
    most: int | None = None,
) -> ListingSummary:
    """Write every spectrum of the table, or ``most``, into ``sink``.

    ArchiveError where a page cannot be had.
    """
    source = findings.source
    if source is None:
        raise ArchiveError("there is no TAP table to list")
    size = PAGE if most is None else min(100 + 4 * most, PAGE)
    has_addresses = findings.mode != "soda"
    columns = columns_of(source, has_addresses, findings.by_did)
    with ListingCollector.of(findings, most, columns) as collector:
        service, fields = TapService(client, source.url), fields_for(source, columns)
        pages = _Walks(service, source, constraints, fields, size, bool(findings.ssap))
        await pages.run(collector, tell)
        return replace(collector.write(sink), remark=pages.remark)


class _Walks:
    """Walks through a table, by identifier and where need be by address, into a collector."""

    def __init__(
        self,
        service: TapService,
        source: SpectraTable,
        constraints: Constraints,
        fields: Sequence[VotableField],
        size: int,
        has_alternative: bool,
    ) -> None:
        self._service = service
        self._source = source
        self._columns = VotableTable(tuple(fields))
        self._constraints = constraints
        self._conditions = conditions(source, constraints)
        self._size = size
        self._total = 0
        self._given = 0
        self._is_by_ranges = False
        self._has_alternative = has_alternative
        self.remark = ""

    async def run(self, collector: ListingCollector, tell: Tell) -> None:
        """Bring all rows into ``collector``."""
        await self._count_first()
        if not self._total and self._conditions and not self._constraints.parameters():
            raise ArchiveError(
                f"{self._source.url}: {self._source.name} has no row with {' and '.join(self._conditions)}"
            )
        self._begin(collector)
        address, key = self._address_key(), self._key(self._source.id_column)
        try:
            await self._walk(key or address, collector, tell, ())
        except PagingError as stuck:
            await self._walk_again(stuck, collector, tell)
        if collector.has_enough:
            return
        tell(self._given, self._given if self._total == _UNCOUNTED else self._total)
        await self._require_all(collector, address, tell)

    async def _walk_again(self, error: ArchiveError, collector: ListingCollector, tell: Tell) -> None:
        """Read all rows by their addresses, or by ranges where they have no order.

        ``error`` if neither gives them.
        """
        address, key = self._address_key(), self._key(self._source.id_column)
        if address is not None and isinstance(error, PagingError) and self._service.is_ordered:
            self._begin(collector)
            try:
                await self._walk(address, collector, tell, (), may_repeat=True)
            except PagingError:
                pass
            else:
                self.remark = "in the order of the addresses, since several files share an identifier"
                return
        self._is_by_ranges = True
        for one in () if self._has_alternative else (key, address):
            if one is None or self._total == _UNCOUNTED:
                continue
            self._begin(collector)
            try:
                await self._walk_ranges(one, collector, tell)
            except ArchiveError:
                continue
            self.remark = f"in ranges of {one.name}, since the service does not put rows in order"
            return
        raise error

    def _begin(self, collector: ListingCollector) -> None:
        """Prepare for all rows."""
        collector.clear()
        collector.begin(self._columns, self._service.base, replace(self._constraints, by_words=True))
        self._given = 0

    async def _walk_ranges(self, key: VotableField, collector: ListingCollector, tell: Tell) -> None:
        """Read the rows of ranges of ``key`` that are small enough for one response each."""
        wanted = [f"{column(key.name)} IS NOT NULL", *self._conditions]
        ranges = Ranges(self._service, self._source, self._columns, key, wanted, self._size)
        async with aclosing(ranges.rows()) as rows:
            async for row in rows:
                self._given += 1
                collector.add(row)
                if collector.has_enough:
                    return
                if self._given % PAGE == 0:
                    tell(self._given, self._total)

    async def _require_all(self, collector: ListingCollector, address: VotableField | None, tell: Tell) -> None:
        """Read rows without an identifier, too, where rows are missing.

        ArchiveError where they do not turn up.
        """
        if self._total == _UNCOUNTED:
            await self._add_nameless(collector, address, tell)
            return
        if self._given >= self._total or self._given >= (total := await self._count()):
            return  # it may have lost some since it was asked first
        self._total = total
        missing = f"{thousands(total - self._given)} of the {plural(total, 'row')} that it counts"
        refusal = ArchiveError(f"{self._source.url}: it did not give {missing}: list it again")
        key = self._key(self._source.id_column)
        if address is not None and key is not None:
            try:
                await self._walk(address, collector, tell, (f"{column(key.name)} IS NULL",), may_repeat=True)
            except ArchiveError:
                raise refusal from None
        if self._given < total:
            if self._is_by_ranges or self._has_alternative:
                raise refusal
            await self._walk_again(refusal, collector, tell)
            await self._require_all(collector, address, tell)

    async def _add_nameless(self, collector: ListingCollector, address: VotableField | None, tell: Tell) -> None:
        """Read rows without an identifier, which a service that does not count them may have."""
        self.remark = "; ".join(filter(None, (self.remark, "the service does not count its rows")))
        key = self._key(self._source.id_column)
        if address is not None and key is not None and key is not address:
            await self._walk(address, collector, tell, (f"{column(key.name)} IS NULL",), may_repeat=True)

    async def _walk(
        self,
        key: VotableField | None,
        collector: ListingCollector,
        tell: Tell,
        further: Sequence[str],
        may_repeat: bool = False,
    ) -> None:
        if key is None:
            raise ArchiveError(f"{self._source.url}: {self._source.name} has no column to sort its rows by")
        wanted = [f"{column(key.name)} IS NOT NULL", *further, *self._conditions]
        pages = Pages(self._service, self._source, self._columns, key, wanted, self._size)
        async with aclosing(pages.rows(self._total)) as rows:
            async for row in rows:
                self._given += 1
                if collector.add(row) and not may_repeat:
                    raise pages.stuck()
                if collector.has_enough:
                    return
                if self._given % PAGE == 0:
                    tell(self._given, max(self._given, self._total) if self._total != _UNCOUNTED else self._given)

    async def _count_first(self) -> None:
        """Count the rows; without conditions that the service has no functions for."""
        try:
            self._total = await self._count()
        except ServiceUnavailableError as error:
            if error.failure.kind not in REFUSALS:
                raise
            self._total = _UNCOUNTED
            if _NO_FUNCTION.search(error.failure.detail):
                self._conditions = conditions(self._source, self._constraints, with_functions=False)
                self._total = await self._count_or_not()

    async def _count_or_not(self) -> int:
        try:
            return await self._count()
        except ServiceUnavailableError as error:
            if error.failure.kind not in REFUSALS:
                raise
            return _UNCOUNTED

    async def _count(self) -> int:
        adql = count(self._source, self._conditions)
        attempt = 1
        while True:
            try:
                document = await self._service.document(adql, 1)
                break
            except ServiceUnavailableError as error:
                if is_too_slow(error.failure) and not self._service.uses_jobs:
                    self._service.uses_jobs = True
                    continue
                await self._service.client.wait_after(error, attempt)
                attempt += 1
        said = document.rows[0][0].strip() if document.rows and document.rows[0] else ""
        if not said.isdecimal() or len(said) > _MOST_DIGITS:
            raise ArchiveError(
                f"{self._source.url}: its response to a request for the number of rows is {plain_line(said)!r}"
            )
        return int(said)

    def _key(self, name: str) -> VotableField | None:
        index = named_index(self._columns, name) if name else None
        return self._columns.fields[index] if index is not None else None

    def _address_key(self) -> VotableField | None:
        if self._source.url_column:
            return self._key(self._source.url_column)
        index = column_index(self._columns, ADDRESS)
        return self._columns.fields[index] if index is not None else None
