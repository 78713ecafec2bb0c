"""Get a first answer of an SSAP service with a row in it, whatever that takes.

Some demand a position, some give nothing at once if there is too much, some moved to another host, some have no address
in their first row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..errors import ArchiveError
from ..model.failures import FailureKind
from ..vo.columns import ADDRESS
from ..vo.constraints import Constraints
from ..vo.document import Document
from ..vo.identity import absolute_address
from ..vo.urls import host_of, is_web, query_of, with_query, without_query
from .client import ServiceUnavailableError, VoClient, in_short
from .tiles import EVERYWHERE, WHOLE_SKY, TimePart, sky_tiles

_WHOLE_SKY_SIZES = (WHOLE_SKY, 180.0)  # what services understand as "everywhere"
_SOME_ROWS = 50  # where the first one has no address
_ENOUGH_ROWS = 100_000  # where one is not given, for want of room, this many are requested
_MOST_PLACES = 200  # circles in which a first spectrum is looked for
_GOLDEN = 0.6180339887  # the golden ratio spreads any number of places evenly
_MOST_TIMES = 24  # requests for a time of which a service returns something
_POSITION_NEEDED = re.compile(
    r"\b(?:POS|position|coordinates?|RA|cone|SIZE)\b.{0,60}?(?:mandatory|required|missing|must|need|specif|provide)"
    r"|(?:mandatory|required|missing|must|need|specif|provide|no)\w*.{0,60}?\b(?:POS|position|coordinates?|SIZE)\b",
    re.IGNORECASE | re.DOTALL,
)
_LARGEST_SIZE = re.compile(r"\b(?:SIZE|radius|SR|diameter|degrees?|deg)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """The first answer of an SSAP service with a row, and what it took to get it."""

    document: Document
    url: str
    maxrec: int
    largest_size: float = 0.0


async def first_answer(client: VoClient, url: str, constraints: Constraints) -> FirstAnswer:
    """Return one that meets the constraints, else any.

    How spectra are fetched does not depend on which are wanted. Without a position where that is possible, else of the
    whole sky.
    """
    asked = _Asked(client, url)
    narrowed = bool(constraints.parameters())
    refusal: ServiceUnavailableError | None = None
    try:
        answer = await asked.first(constraints)
        if answer.document.rows:
            return answer
        if narrowed:
            answer = await asked.first(Constraints())
    except ServiceUnavailableError as error:
        if not _demands_position(error) or constraints.position:
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
    largest = _WHOLE_SKY_SIZES[0]
    said = refusal
    for size in (*_WHOLE_SKY_SIZES, 0.0):
        largest = size or (_named_limit(said) if said else 0.0)
        if not largest:
            break
        try:
            answer = await asked.first(replace(constraints, position=EVERYWHERE.center, size=largest))
        except ServiceUnavailableError as error:
            said = error
            continue
        if not answer.document.rows and largest < min(_WHOLE_SKY_SIZES):
            answer = await _of_some_place(asked, constraints, largest, answer)
        if answer.document.rows or largest < min(_WHOLE_SKY_SIZES):
            return replace(answer, largest_size=largest)
        if refusal is None:
            break
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

    def __init__(self, client: VoClient, url: str) -> None:
        self._client = client
        self.url = url

    async def first(self, constraints: Constraints) -> FirstAnswer:
        """Return an answer with one row if there are any.

        A service that says OVERFLOW and gives none is asked for more.
        """
        for maxrec in (1, _SOME_ROWS, _ENOUGH_ROWS):
            query = {"REQUEST": "queryData", "MAXREC": str(maxrec)} | constraints.parameters()
            document = await self._document(query)
            if document.rows and (_is_telling(document) or maxrec > 1):
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


def _is_telling(document: Document) -> bool:
    """Return whether one of its rows has an address by HTTP, or the document a service."""
    addresses = (absolute_address(document.cell_of(row, ADDRESS), document.url) for row in document.rows)
    return bool(document.services) or any(is_web(address) for address in addresses)


def _demands_position(error: ServiceUnavailableError) -> bool:
    return (
        error.failure.kind in (FailureKind.REFUSED_REQUEST, FailureKind.NOT_FOUND)
        and _POSITION_NEEDED.search(error.failure.detail) is not None
    )


def _named_limit(error: ServiceUnavailableError) -> float:
    """Return the largest size that a refusal names; 0 if it names none."""
    words = re.sub(r"^HTTP \d+", "", error.failure.detail)
    if not _LARGEST_SIZE.search(words):
        return 0.0
    sizes = [float(number) for number in _NUMBER.findall(words)]
    return max((size for size in sizes if 0 < size < min(_WHOLE_SKY_SIZES)), default=0.0)
