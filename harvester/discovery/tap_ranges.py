"""Read a table in ranges of one column, for a TAP service that does not put rows in order.

Each range is counted, and divided until its rows come in one response. The service alone compares values: what we take
for the middle of a range decides how many requests there are, not which rows come.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from ..errors import ArchiveError
from ..formatting import plural
from ..vo.adql import column, count, is_numeric, literal, select
from ..vo.document import Document
from ..vo.votable_model import Row, SpectraTable, VotableField, VotableTable
from .client import ServiceUnavailableError
from .tap_service import TapService

MOST_REQUESTS = 20_000
_MOST_IN_VAIN = 3  # divisions in a row that leave a range as large as it was

Range = tuple[Sequence[str], int, int]
"""Conditions, the number of rows that fulfil them, and how often dividing was in vain."""


class Ranges:
    """The rows of ``source`` that fulfil ``wanted``, in ranges of ``key``.

    ArchiveError where they cannot be divided.
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
        self._wanted = wanted
        self._size = size
        self._requests = 0

    async def rows(self) -> AsyncGenerator[Row, None]:
        """Yield all rows, in no order."""
        stack: list[Range] = [((), await self._count(()), 0)]
        while stack:
            within, total, in_vain = stack.pop()
            if not total:
                continue
            rows = await self._page(within)
            if len(rows) == total:
                for row in rows:
                    yield row
                continue
            if in_vain == _MOST_IN_VAIN or len(rows) > total:
                raise ArchiveError(f"{self._source.url}: its rows cannot be divided by {self._key.name}")
            stack += await self._halves(within, total, in_vain, rows)

    async def _halves(self, within: Sequence[str], total: int, in_vain: int, rows: Sequence[Row]) -> list[Range]:
        """Return the two parts of a range on either side of a value in its midst."""
        values = sorted({row[self._index] for row in rows}, key=self._sortable)
        if not values:
            raise ArchiveError(f"{self._source.url}: it counts {plural(total, 'row')} and gives none")
        name, middle = column(self._key.name), self._literal(values[(len(values) - 1) // 2])
        lower = (*within, f"{name} <= {middle}")
        below = await self._count(lower)
        again = in_vain + 1 if below in (0, total) else 0
        return [((*within, f"{name} > {middle}"), total - below, again), (lower, below, again)]

    async def _count(self, within: Sequence[str]) -> int:
        document = await self._document(count(self._source, [*self._wanted, *within]), 1)
        said = document.rows[0][0].strip() if document.rows and document.rows[0] else ""
        if not said.isdecimal() or len(said) > 18:
            raise ArchiveError(f"{self._source.url}: it does not say how many rows there are")
        return int(said)

    async def _page(self, within: Sequence[str]) -> Sequence[Row]:
        adql = select(self._source, self._columns.fields, [*self._wanted, *within], self._size)
        return (await self._document(adql, self._size)).rows

    async def _document(self, adql: str, most: int) -> Document:
        """Return what answers ``adql``, requested again after transient failures."""
        attempt = 1
        while True:
            self._requests += 1
            if self._requests > MOST_REQUESTS:
                raise ArchiveError(f"{self._source.url}: its list takes more than {plural(MOST_REQUESTS, 'request')}")
            try:
                return await self._service.document(adql, most)
            except ServiceUnavailableError as error:
                await self._service.client.wait_after(error, attempt)
                attempt += 1

    def _sortable(self, value: str) -> tuple[float, str]:
        try:
            return float(value) if is_numeric(self._key) else 0.0, value
        except ValueError:
            return 0.0, value

    def _literal(self, value: str) -> str:
        return value.strip() if is_numeric(self._key) else literal(value)
