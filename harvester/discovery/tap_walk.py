"""Walk through a table of a TAP service, page after page, in the order of one column.

A page begins behind the value at which the last one ended, also where that one broke off.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ..errors import ArchiveError
from ..formatting import plain_line
from ..model.failures import Failure, FailureKind
from ..vo.adql import column, is_numeric, literal, select
from ..vo.document import query_status
from ..vo.votable_model import Event, Info, Row, SpectraTable, VotableField, VotableTable
from .client import ServiceUnavailableError
from .refusals import is_too_slow, says_too_slow
from .tap_service import TapService

SMALLEST_PAGE = 250  # rows, to which a service's time limit brings it down


class PagingError(ArchiveError):
    """Pages do not go on.

    The service ignores their order, or one identifier has more rows than a page.
    """


class Pages:
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
        self._size = self._largest = size
        self._mark: str | None = None
        self._held: list[Row] = []
        self._came = 0
        self._is_cut = False
        self._values: set[str] = set()
        self._earlier: set[str] = set()
        """Values of the page before: in an order, none of them comes again."""

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
                if self._service.adapts(error.failure, self._size):
                    continue
                if is_too_slow(error.failure) and self._can_be_quicker():
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
        self._service.uses_jobs, self._size = True, self._largest
        return True

    def stuck(self) -> PagingError:
        """Return the error for pages that do not go on."""
        return PagingError(f"{self._source.url}: its pages do not continue after {plain_line(self._mark or '')!r}")

    async def _page(self) -> AsyncGenerator[Row, None]:
        """Yield the rows of one page that are complete; those of its last identifier are held."""
        behind = [] if self._mark is None else [f"{column(self._key.name)} > {self._literal(self._mark)}"]
        wanted = [*self._conditions, *behind]
        adql = select(self._source, self._columns.fields, wanted, self._size, self._key.name)
        again = {self._value_of(row) for row in self._held[:1]}
        self._earlier, self._values = self._values - again, set()
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
        if not self._held:
            self._require_new(self._value_of(row))
        self._held.append(row)
        return complete

    def _require_new(self, value: str) -> None:
        """Raise PagingError for a value that came before: the service does not put rows in order."""
        if value in self._values or value in self._earlier:
            raise self.stuck()
        self._values.add(value)

    def _heed(self, event: Event) -> None:
        """Take what is said beside the rows.

        An error behind pages that came is no fault of the query.
        """
        if isinstance(event, VotableTable) and len(event.fields) != len(self._columns.fields):
            raise ArchiveError(f"{self._source.url}: it returns other columns than were requested")
        if not isinstance(event, Info):
            return
        status, said = query_status(event)
        if status == "OVERFLOW":
            self._is_cut = True
        elif status == "ERROR":
            words = f"the service says: {plain_line(said) or 'QUERY_STATUS=ERROR, without a message'}"
            is_final = self._mark is None and not says_too_slow(words)
            kind = FailureKind.REFUSED_REQUEST if is_final else FailureKind.SERVER_ERROR
            raise ServiceUnavailableError(self._source.url, Failure(kind, words))

    def _value_of(self, row: Row) -> str:
        return row[self._index] if self._index < len(row) else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
