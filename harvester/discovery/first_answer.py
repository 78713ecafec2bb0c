"""Get a first answer of an SSAP service with a row in it, whatever that takes.

Some demand a position, some give nothing at once if there is too much, some moved to another host, some have no address
in their first row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ArchiveError
from ..vo.columns import ADDRESS
from ..vo.constraints import Constraints
from ..vo.document import Document
from ..vo.identity import absolute_address
from ..vo.urls import host_of, is_web, query_of, with_query, without_query
from .client import ServiceUnavailableError, VoClient, in_short
from .refusals import WITHOUT_MAXREC, demands_position, lower_limit, smaller_sizes
from .tiles import EVERYWHERE, WHOLE_SKY, TimePart, sky_tiles

_WHOLE_SKY_SIZES = (WHOLE_SKY, 180.0)  # what services understand as "everywhere"
SOME_ROWS = 50  # where the first one does not tell enough
_ENOUGH_ROWS = 100_000  # where one is not given, for want of room, this many are requested
_MOST_PLACES = 200  # circles in which a first spectrum is looked for
_GOLDEN = 0.6180339887  # the golden ratio spreads any number of places evenly
_MOST_TIMES = 24  # requests for a time of which a service returns something


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """The first answer of an SSAP service with a row, and what it took to get it."""

    document: Document
    url: str
    maxrec: int
    largest_size: float = 0.0


async def first_answer(client: VoClient, url: str, constraints: Constraints, rows: int = 1) -> FirstAnswer:
    """Return one that meets the constraints, else any, with as many ``rows`` as there are.

    How spectra are fetched does not depend on which are wanted. Without a position where that is possible, else of the
    whole sky.
    """
    asked = _Asked(client, url, rows)
    narrowed = bool(constraints.parameters())
    refusal: ServiceUnavailableError | None = None
    try:
        answer = await asked.first(constraints)
        if answer.document.rows:
            return answer
        if narrowed:
            answer = await asked.first(Constraints())
    except ServiceUnavailableError as error:
        if not demands_position(error.failure) or constraints.position:
            raise
        refusal = error
        answer = None
    if answer is not None and answer.document.rows:
        return answer
    if answer is not None and answer.document.is_cut and not constraints.time:
        return await _of_a_time(asked, constraints, answer)
    return await _of_the_whole_sky(asked, replace(constraints, position=None), answer, refusal)


async def _of_a_time(asked: _Asked, constraints: Constraints, cut: FirstAnswer) -> FirstAnswer:
    """Return an answer for part of the time.

    From a service that has too much for one answer and so gives none.
    """
    parts = list(reversed(TimePart().divide()))
    for _ in range(_MOST_TIMES):
        if not parts:
            break
        part = parts.pop(0)
        answer = await asked.first(part.constrain(constraints))
        if answer.document.rows:
            return answer
        if answer.document.is_cut:
            parts = [*reversed(part.divide()), *parts]
    return cut


async def _of_the_whole_sky(
    asked: _Asked, constraints: Constraints, empty: FirstAnswer | None, refusal: ServiceUnavailableError | None
) -> FirstAnswer:
    """Return an answer for a position, which services demand.

    Else return what came, or the refusal with what to try.
    """
    said = refusal
    sizes = list(_WHOLE_SKY_SIZES)
    while sizes:
        size = sizes.pop(0)
        is_whole = size >= min(_WHOLE_SKY_SIZES)
        try:
            answer = await asked.first(replace(constraints, position=EVERYWHERE.center, size=size))
        except ServiceUnavailableError as error:
            said = error
        else:
            if not answer.document.rows and not is_whole:
                answer = await _of_some_place(asked, constraints, size, answer)
            if answer.document.rows or not is_whole:
                return replace(answer, largest_size=size)
            if refusal is None:
                break
        if size == _WHOLE_SKY_SIZES[-1] and said is not None:
            sizes += smaller_sizes(said.failure, size)
    if empty is not None:
        return empty
    if said is None or refusal is None:
        raise ArchiveError(f"{in_short(asked.url)}: it lists no spectrum")
    words = "give a place with --pos 'RA DEC' and --size DEG"
    detail = f"{refusal.failure.detail}; for the whole sky: {said.failure.detail}" if said is not refusal else ""
    raise ServiceUnavailableError(
        refusal.url, replace(refusal.failure, detail=f"{detail or refusal.failure.detail}; {words}")
    )


async def _of_some_place(asked: _Asked, constraints: Constraints, largest: float, empty: FirstAnswer) -> FirstAnswer:
    """Return an answer for one of some circles spread over the sky that has a row.

    ``empty`` if none has.
    """
    tiles = list(sky_tiles(largest))
    for number in range(min(_MOST_PLACES, len(tiles))):
        tile = tiles[int(number * _GOLDEN * len(tiles)) % len(tiles)]
        answer = await asked.first(tile.constrain(constraints))
        if answer.document.rows:
            return answer
    return empty


class _Asked:
    """Requests for a first row of an SSAP service, wherever it moved."""

    def __init__(self, client: VoClient, url: str, rows: int) -> None:
        self._client = client
        self._numbers = [number for number in (1, SOME_ROWS, _ENOUGH_ROWS) if number >= rows]
        self.url = url

    async def first(self, constraints: Constraints) -> FirstAnswer:
        """Return an answer with one row if there are any.

        A service that says OVERFLOW and gives none is asked for more.
        """
        for maxrec in self._numbers:
            try:
                document = await self._document(_query(maxrec, constraints))
            except ServiceUnavailableError as error:
                if "maxrec" not in error.failure.detail.casefold():
                    raise
                fewer = lower_limit(error.failure.detail, maxrec) or WITHOUT_MAXREC
                self._numbers = [fewer]
                return FirstAnswer(await self._document(_query(fewer, constraints)), self.url, fewer)
            if document.rows and (_is_telling(document) or maxrec != 1):
                break
            if not document.rows and not document.is_cut:
                break
        return FirstAnswer(document, self.url, maxrec)

    async def _document(self, query: dict[str, str]) -> Document:
        """Return the answer to ``query``, wherever the service moved.

        Some redirects lose the query.
        """
        asked = with_query(self.url, query)
        try:
            document = await self._client.document(asked, may_move=True)
        except ServiceUnavailableError:
            there = without_query(self._client.address_behind(asked), query)
            if there == without_query(self.url, query) or "REQUEST" in query_of(self._client.address_behind(asked)):
                raise
            self.url = there
            return await self._client.document(with_query(there, query), may_move=True)
        if host_of(document.url) != host_of(asked):
            self.url = without_query(document.url, query)
        return document


def _query(maxrec: int, constraints: Constraints) -> dict[str, str]:
    most = {"MAXREC": str(maxrec)} if maxrec != WITHOUT_MAXREC else {}
    return {"REQUEST": "queryData"} | most | constraints.parameters()


def _is_telling(document: Document) -> bool:
    """Return whether one of its rows has an address by HTTP, or the document a service."""
    addresses = (absolute_address(document.cell_of(row, ADDRESS), document.url) for row in document.rows)
    return bool(document.services) or any(is_web(address) for address in addresses)
