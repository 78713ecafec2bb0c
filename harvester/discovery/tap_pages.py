"""The list of an archive from its TAP service, in pages: each begins behind the publisher DID at which the last ended.

Rows of one spectrum are never torn apart: those of the last DID of a page may go on in the next, so they are left to
it. That, too, is how a page goes on that breaks off: behind the last spectrum that is complete. Without an ORDER BY
nothing of this would hold (TAP 1.1 promises no order), and a service that does not heed it would leave spectra out
without a word. So none may come twice, and all that are counted must come.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from ..errors import ArchiveError
from ..formatting import plain_line
from ..model.failures import Failure, FailureKind
from ..vo.adql import column, conditions, count, literal, select
from ..vo.constraints import Constraints
from ..vo.document import is_status
from ..vo.listing import CatalogWriter, ListingReader, ListingSummary
from ..vo.votable_model import Event, Info, Row, SpectraTable, VotableTable
from .client import ServiceUnavailableError, VoClient
from .tap import fields_for, sync_query_url

PAGE = 10_000  # rows
_MOST_DIGITS = 18  # of a count of rows: that of a BIGINT
Tell = Callable[[int, int], None]
"""What is told of progress: rows read, and rows that there are."""


async def list_by_pages(
    asker: VoClient,
    source: SpectraTable,
    constraints: Constraints,
    sink: CatalogWriter,
    tell: Tell,
    with_address: bool,
    most: int | None = None,
) -> ListingSummary:
    """Every spectrum of the table, or ``most``, into ``sink``. ArchiveError where a page is not to be had."""
    pages = _Pages(asker, source, constraints, with_address, PAGE if most is None else min(100 + 4 * most, PAGE))
    listing = ListingReader(pages.columns, source.id_column, replace(constraints, by_words=True), with_address)
    total = await pages.total()
    sink.begin(listing.header)
    async with aclosing(pages.rows(total)) as rows:
        async for row in rows:
            for spectrum in listing.take(row):
                sink.write(spectrum)
            if listing.repeats:
                raise pages.astray()
            if listing.spectra == most:
                return ListingSummary(listing.spectra, listing.rows, listing.nameless, listing.outside, more=True)
            if listing.rows % PAGE == 0:
                tell(listing.rows, total)
    for spectrum in listing.rest():
        sink.write(spectrum)
    tell(listing.rows, total)
    if listing.rows < total and listing.rows < (total := await pages.total()):  # it may have lost some meanwhile
        missing = f"{total - listing.rows:,} of the {total:,} rows that it counts"
        raise ArchiveError(f"{source.url}: it did not give {missing}: list it again")
    return ListingSummary(listing.spectra, listing.rows, listing.nameless, listing.outside, more=False)


class _Pages:
    """A walk through a table; ``_mark`` is the DID of the last spectrum that is complete."""

    def __init__(
        self, asker: VoClient, source: SpectraTable, constraints: Constraints, with_address: bool, size: int
    ) -> None:
        fields = fields_for(source, with_address)
        self.columns = VotableTable(tuple(fields))
        self._asker = asker
        self._source = source
        self._did = column(source.id_column)
        self._place = self.columns.place(source.id_column) or 0
        self._conditions = [f"{self._did} IS NOT NULL", *conditions(source, constraints)]
        self._size = size
        self._mark: str | None = None
        self._held: list[Row] = []
        self._came = 0
        self._is_cut = False

    async def total(self) -> int:
        url = sync_query_url(self._source.url, count(self._source, self._conditions), 1)
        attempt = 1
        while True:
            try:
                document = await self._asker.document(url)
                break
            except ServiceUnavailableError as error:
                await self._asker.wait_after(error, attempt)
                attempt += 1
        told = document.rows[0][0].strip() if document.rows and document.rows[0] else ""
        if not told.isdecimal() or len(told) > _MOST_DIGITS:
            raise ArchiveError(
                f"{self._source.url}: it was asked how many rows there are and says {plain_line(told)!r}"
            )
        return int(told)

    async def rows(self, total: int) -> AsyncGenerator[Row, None]:
        """All rows, those of one DID together."""
        given = attempt = 0
        while True:
            before = self._mark
            try:
                async with aclosing(self._page()) as page:
                    async for row in page:
                        given += 1
                        if given > 2 * total + self._size:  # more than it has: it does not heed what it is asked
                            raise self.astray()
                        yield row
            except ServiceUnavailableError as error:
                attempt = 1 if self._mark != before else attempt + 1
                await self._asker.wait_after(error, attempt)
                continue
            attempt = 0
            stuck = self._mark == before
            whole = self._came < self._size and not self._is_cut
            if whole and (stuck or given + len(self._held) >= total):
                break
            if stuck:
                raise self.astray()
        for row in self._held:
            yield row

    def astray(self) -> ArchiveError:
        return ArchiveError(f"{self._source.url}: its pages do not go on behind {plain_line(self._mark or '')!r}")

    async def _page(self) -> AsyncGenerator[Row, None]:
        """The rows of one page that are complete; those of its last DID are held."""
        behind = [] if self._mark is None else [f"{self._did} > {literal(self._mark)}"]
        adql = select(self._source, self.columns.fields, [*self._conditions, *behind], self._size, in_order=True)
        self._held, self._came, self._is_cut, start = [], 0, False, self._mark
        async with aclosing(self._asker.events(sync_query_url(self._source.url, adql, self._size))) as events:
            async for event in events:
                if not isinstance(event, tuple):
                    self._heed(event)
                    continue
                self._came += 1
                if self._did_of(event) != start:  # some find that it lies behind itself: rounded, or padded
                    for row in self._take(event):
                        yield row

    def _take(self, row: Row) -> list[Row]:
        """Holds ``row``; the rows of the spectrum before, if it is of another."""
        complete: list[Row] = []
        if self._held and self._did_of(row) != self._did_of(self._held[0]):
            complete, self._held = self._held, []
            self._mark = self._did_of(complete[0])
        self._held.append(row)
        return complete

    def _heed(self, event: Event) -> None:
        """What is said beside the rows. An error behind pages that came is none of our question's."""
        match event:
            case VotableTable() if len(event.fields) != len(self.columns.fields):
                raise ArchiveError(f"{self._source.url}: it gives other columns than it was asked for")
            case Info() if is_status(event, "OVERFLOW"):
                self._is_cut = True
            case Info() if is_status(event, "ERROR"):
                words = f"the service says: {plain_line(event.text) or 'QUERY_STATUS=ERROR, without a word'}"
                kind = FailureKind.REFUSED_REQUEST if self._mark is None else FailureKind.SERVER_ERROR
                raise ServiceUnavailableError(self._source.url, Failure(kind, words))

    def _did_of(self, row: Row) -> str:
        return row[self._place] if self._place < len(row) else ""
