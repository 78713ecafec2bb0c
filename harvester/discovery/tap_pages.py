"""List an archive by its TAP service, in pages.

Each begins behind the identifier at which the last one ended. Rows of one spectrum are never torn apart: those of the
last DID of a page may go on in the next, so they are left to it. That, too, is how a page goes on that breaks off:
behind the last spectrum that is complete. Without an ORDER BY nothing of this would hold (TAP 1.1 promises no order),
and a service that ignores it would leave spectra out silently. So none may come twice, and all that are counted must
come. Where DIDs are missing or shared, the addresses of the files take their place.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from ..errors import ArchiveError
from ..formatting import plain_line
from ..model.failures import Failure, FailureKind
from ..vo.adql import column, conditions, count, is_numeric, literal, select
from ..vo.columns import ADDRESS, column_index, named_index
from ..vo.constraints import Constraints
from ..vo.descriptors import Findings
from ..vo.document import query_status
from ..vo.listing import CatalogWriter, ListingSummary
from ..vo.votable_model import Event, Info, Row, SpectraTable, VotableField, VotableTable
from .client import ServiceUnavailableError, VoClient
from .collect import ListingCollector
from .tap import TapService, columns_of, fields_for

PAGE = 10_000  # rows
SMALLEST_PAGE = 250  # rows, to which a service's time limit brings it down
_MOST_DIGITS = 18  # of a count of rows: that of a BIGINT
_TOO_SLOW = re.compile(r"time[ds]?[ -]?out|time limit|too long|cancel|exceed\w* .{0,30}(?:time|seconds)", re.IGNORECASE)
_NO_FUNCTION = re.compile(r"LOWER|CONTAINS|CIRCLE|POINT|function", re.IGNORECASE)
Tell = Callable[[int, int], None]
"""Called with progress: rows read, and rows that there are."""


class StuckError(ArchiveError):
    """Pages do not go on.

    The service ignores their order, or one identifier has more rows than a page.
    """


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
        pages = _Walks(TapService(client, source.url), source, constraints, fields_for(source, columns), size)
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
    ) -> None:
        self._service = service
        self._source = source
        self._columns = VotableTable(tuple(fields))
        self._constraints = constraints
        self._conditions = conditions(source, constraints)
        self._size = size
        self._total = 0
        self._given = 0
        self.remark = ""

    async def run(self, collector: ListingCollector, tell: Tell) -> None:
        """Bring all rows into ``collector``."""
        await self._count_first()
        checked = replace(self._constraints, by_words=True)
        collector.begin(self._columns, self._service.base, checked)
        address = self._address_key()
        try:
            await self._walk(self._key(self._source.id_column) or address, collector, tell, ())
        except StuckError:
            if address is None:
                raise
            collector.clear()
            collector.begin(self._columns, self._service.base, checked)
            self._given = 0
            await self._walk(address, collector, tell, (), may_repeat=True)
            self.remark = "in the order of the addresses, since several files share an identifier"
        if collector.has_enough:
            return
        tell(self._given, self._total)
        await self._require_all(collector, address, tell)

    async def _require_all(self, collector: ListingCollector, address: VotableField | None, tell: Tell) -> None:
        """Read rows without an identifier, too, where rows are missing.

        ArchiveError where they do not turn up.
        """
        if self._given >= self._total or self._given >= (total := await self._count()):
            return  # it may have lost some since it was asked first
        self._total = total
        missing = f"{total - self._given:,} of the {total:,} rows that it counts"
        refusal = ArchiveError(f"{self._source.url}: it did not give {missing}: list it again")
        key = self._key(self._source.id_column)
        if address is None or key is None:
            raise refusal
        try:
            await self._walk(address, collector, tell, (f"{column(key.name)} IS NULL",), may_repeat=True)
        except ArchiveError:
            raise refusal from None
        if self._given < total:
            raise refusal

    async def _walk(
        self,
        key: VotableField | None,
        collector: ListingCollector,
        tell: Tell,
        further: Sequence[str],
        may_repeat: bool = False,
    ) -> None:
        if key is None:
            raise ArchiveError(f"{self._source.url}: {self._source.name} has no column to put its rows in order")
        wanted = [f"{column(key.name)} IS NOT NULL", *further, *self._conditions]
        pages = _Pages(self._service, self._source, self._columns, key, wanted, self._size)
        async with aclosing(pages.rows(self._total)) as rows:
            async for row in rows:
                self._given += 1
                if collector.add(row) and not may_repeat:
                    raise pages.stuck()
                if collector.has_enough:
                    return
                if self._given % PAGE == 0:
                    tell(self._given, self._total)

    async def _count_first(self) -> None:
        """Count the rows; without conditions that the service has no functions for."""
        try:
            self._total = await self._count()
        except ServiceUnavailableError as error:
            simple = conditions(self._source, self._constraints, with_functions=False)
            if simple == self._conditions or not _NO_FUNCTION.search(error.failure.detail):
                raise
            self._conditions = simple
            self._total = await self._count()

    async def _count(self) -> int:
        adql = count(self._source, self._conditions)
        attempt = 1
        while True:
            try:
                document = await self._service.document(adql, 1)
                break
            except ServiceUnavailableError as error:
                if _is_too_slow(error.failure) and not self._service.uses_jobs:
                    self._service.uses_jobs = True
                    continue
                await self._service.client.wait_after(error, attempt)
                attempt += 1
        said = document.rows[0][0].strip() if document.rows and document.rows[0] else ""
        if not said.isdecimal() or len(said) > _MOST_DIGITS:
            raise ArchiveError(
                f"{self._source.url}: it was asked how many rows there are and says {plain_line(said)!r}"
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


class _Pages:
    """A walk in the order of ``key``.

    ``_mark`` is its value in the last spectrum that is complete.
    """

    def __init__(
        self,
        service: TapService,
        source: SpectraTable,
        columns: VotableTable,
        key: VotableField,
        wanted: Sequence[str],
        size: int,
    ) -> None:
        self._service = service
        self._source = source
        self._columns = columns
        self._key = key
        self._index = columns.fields.index(key)
        self._conditions = wanted
        self._size = size
        self._mark: str | None = None
        self._held: list[Row] = []
        self._came = 0
        self._is_cut = False

    async def rows(self, total: int) -> AsyncGenerator[Row, None]:
        """Yield all rows, those of one identifier together."""
        given = attempt = 0
        while True:
            before = self._mark
            try:
                async with aclosing(self._page()) as page:
                    async for row in page:
                        given += 1
                        if given > 2 * total + self._size:  # more than it has: it ignores the conditions
                            raise self.stuck()
                        yield row
            except ServiceUnavailableError as error:
                attempt = 1 if self._mark != before else attempt + 1
                if _is_too_slow(error.failure) and self._can_be_quicker():
                    continue
                await self._service.client.wait_after(error, attempt)
                continue
            attempt = 0
            is_stuck = self._mark == before
            is_last = self._came < self._size and not self._is_cut
            if is_last and (is_stuck or given + len(self._held) >= total):
                break
            if is_stuck:
                raise self.stuck()
        for row in self._held:
            yield row

    def _can_be_quicker(self) -> bool:
        """Try smaller pages, then jobs; return whether there was one of these to try."""
        if self._size > SMALLEST_PAGE:
            self._size = max(SMALLEST_PAGE, self._size // 4)
            return True
        if self._service.uses_jobs:
            return False
        self._service.uses_jobs, self._size = True, PAGE
        return True

    def stuck(self) -> StuckError:
        """Return the error for pages that do not go on."""
        return StuckError(f"{self._source.url}: its pages do not go on behind {plain_line(self._mark or '')!r}")

    async def _page(self) -> AsyncGenerator[Row, None]:
        """Yield the rows of one page that are complete; those of its last identifier are held."""
        behind = [] if self._mark is None else [f"{column(self._key.name)} > {self._literal(self._mark)}"]
        wanted = [*self._conditions, *behind]
        adql = select(self._source, self._columns.fields, wanted, self._size, self._key.name)
        self._held, self._came, self._is_cut, start = [], 0, False, self._mark
        async with aclosing(self._service.events(adql, self._size)) as events:
            async for event in events:
                if not isinstance(event, tuple):
                    self._heed(event)
                    continue
                self._came += 1
                if self._value_of(event) != start:  # some find that it lies behind itself: rounded, or padded
                    for row in self._take(event):
                        yield row

    def _literal(self, value: str) -> str:
        return value.strip() if is_numeric(self._key) and _is_number(value) else literal(value)

    def _take(self, row: Row) -> list[Row]:
        """Hold ``row``; return the rows of the spectrum before, if it is of another."""
        complete: list[Row] = []
        if self._held and self._value_of(row) != self._value_of(self._held[0]):
            complete, self._held = self._held, []
            self._mark = self._value_of(complete[0])
        self._held.append(row)
        return complete

    def _heed(self, event: Event) -> None:
        """Take what is said beside the rows.

        An error behind pages that came is no fault of the query.
        """
        if isinstance(event, VotableTable) and len(event.fields) != len(self._columns.fields):
            raise ArchiveError(f"{self._source.url}: it gives other columns than were requested")
        if not isinstance(event, Info):
            return
        status, said = query_status(event)
        if status == "OVERFLOW":
            self._is_cut = True
        elif status == "ERROR":
            words = f"the service says: {plain_line(said) or 'QUERY_STATUS=ERROR, without a message'}"
            is_final = self._mark is None and not _TOO_SLOW.search(words)
            kind = FailureKind.REFUSED_REQUEST if is_final else FailureKind.SERVER_ERROR
            raise ServiceUnavailableError(self._source.url, Failure(kind, words))

    def _value_of(self, row: Row) -> str:
        return row[self._index] if self._index < len(row) else ""


def _is_too_slow(failure: Failure) -> bool:
    """Return whether a page took longer than the service allows.

    A smaller one may not.
    """
    return failure.kind is FailureKind.TIMEOUT or _TOO_SLOW.search(failure.detail) is not None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
