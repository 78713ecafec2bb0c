"""List an archive by its SSAP service.

In one answer to queryData, or in parts (SSAP 1.1, section 4). SSAP has no pages (section 8.10.2). Where an answer is
cut, by OVERFLOW or by a limit that the service does not mention, the list is divided by time, sky or wavelength until
every part is whole. A division proves itself: its parts must differ from the whole, and must have every row that the
whole had. Where none does, the list is not complete, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from math import inf

from ..errors import ArchiveError, UsageError
from ..formatting import count, plain_line, plural
from ..model.failures import FailureKind
from ..vo.constraints import Constraints, mjd
from ..vo.descriptors import Findings
from ..vo.document import query_status, results_rank
from ..vo.listing import CatalogWriter, ListingSummary
from ..vo.urls import with_query
from ..vo.votable_model import Event, Info, VotableTable
from .client import ServiceUnavailableError, VoClient, in_short
from .collect import ListingCollector
from .refusals import WITHOUT_MAXREC, is_too_much, is_too_slow, lower_limit
from .tiles import EVERYWHERE, WHOLE_SKY, BandPart, Part, TimePart, sky_tiles

MAXRECS = (100_000, 1_000_000)  # DaCHS gives 10,000 unasked, and a million at most
MOST_REQUESTS = 20_000  # of one list; tiles of 5 degrees take 4,000
_ROWS_A_SPECTRUM = 4  # more formats than any archive serves
_MOST_LATE = 3  # requests in a row that take too long; then the service is away
_FRUITLESS = 20  # requests of a division without a row or a whole part, after which it is given up
_NARROW = "narrow the list with --band, --time, --pos or --target, and make several"

Tell = Callable[[str], None]


class IncompleteListError(ArchiveError):
    """The list may lack spectra, and is not written unless the user insists."""


@dataclass(slots=True)
class _Answer:
    """What became of one request: ``error`` in the service's words.

    ``is_cut`` if it has more rows.
    """

    maxrec: int
    rows: int = 0
    error: str = ""
    is_cut: bool = False
    is_read: bool = True
    """Whether all its rows were read."""
    is_late: bool = False
    """Whether it took longer than the service allows: a part of it may not."""


async def list_at_once(
    client: VoClient,
    findings: Findings,
    constraints: Constraints,
    sink: CatalogWriter,
    most: int | None,
    keep_incomplete: bool = False,
    tell: Tell = lambda words: None,
) -> ListingSummary:
    """Write every spectrum of the SSAP service, or ``most``, into ``sink``.

    IncompleteListError, in one sentence, if it may lack some, unless ``keep_incomplete``.
    """
    if not findings.ssap:
        raise UsageError("--catalog: the list comes from the archive's SSAP or TAP service: give that address")
    with ListingCollector.of(findings, most) as collector:
        lister = _Lister(client, findings, constraints, collector, most, tell)
        await lister.run()
        if lister.incomplete and not keep_incomplete:
            raise IncompleteListError(f"{in_short(findings.ssap)}: {lister.incomplete}")
        return replace(collector.write(sink), incomplete=lister.incomplete, remark=lister.remark)


class _Lister:
    """Requests the list, and divides it where an answer is cut."""

    def __init__(
        self,
        client: VoClient,
        findings: Findings,
        constraints: Constraints,
        collector: ListingCollector,
        most: int | None,
        tell: Tell,
    ) -> None:
        self._client = client
        self._findings = findings
        self._constraints = constraints
        self._collector = collector
        self._most = most
        self._tell = tell
        self._maxrecs = list(MAXRECS) if most is None else [min(most * _ROWS_A_SPECTRUM, MAXRECS[-1]), MAXRECS[-1]]
        self._requests = 0
        self._late = 0
        self._dividing = False
        self.incomplete = ""
        self.remark = ""

    async def run(self) -> None:
        """Bring all rows into the collector. ArchiveError where the service refuses."""
        size = self._findings.largest_size
        wants_sky = bool(size) and self._constraints.position is None
        if wants_sky and size < WHOLE_SKY:
            await self._tiled(size)
            return
        if wants_sky:
            self._constraints = EVERYWHERE.constrain(self._constraints)
        whole = await self._whole(self._constraints)
        if self._collector.has_enough:
            return
        if whole.is_cut or self._may_be_cut(whole):
            await self._divided(whole)
        elif wants_sky:
            await self._check_size(whole)

    async def _check_size(self, whole: _Answer) -> None:
        """Request the whole sky around the opposite place.

        A service may restrict SIZE without saying so.
        """
        self._dividing = True
        (ra, dec), before = EVERYWHERE.center, self._unique
        other = await self._whole(replace(self._constraints, position=((ra + 180.0) % 360.0, dec)))
        if self._unique > before or other.rows != whole.rows:
            self.incomplete = (
                f"SIZE={WHOLE_SKY:g} gives {plural(whole.rows, 'row')} around one place and {count(other.rows)} around "
                "another, so the service restricts it without saying so: give a place with --pos and --size"
            )

    async def _whole(self, constraints: Constraints) -> _Answer:
        """Return the answer for ``constraints`` with as many rows as the service gives."""
        while True:
            answer = await self._ask(constraints, self._maxrecs[0])
            if answer.is_late:
                return answer
            if answer.error and is_too_much(answer.error) and "maxrec" not in answer.error.casefold():
                answer.error, answer.is_cut = "", True
                return answer
            if answer.error:
                self._maxrecs = [self._fewer(answer)]
            elif answer.is_cut and len(self._maxrecs) > 1 and not self._collector.has_enough:
                self._maxrecs.pop(0)
                if answer.is_read and answer.rows < answer.maxrec:  # its own limit is lower than what was requested
                    return answer
            else:
                return answer
            if not self._dividing:
                self._collector.clear()

    def _fewer(self, answer: _Answer) -> int:
        """Return the MAXREC to send instead of the one that was refused."""
        fewer = lower_limit(answer.error, answer.maxrec)
        if fewer is None:
            words = answer.error if answer.error.startswith("HTTP") else f"the service says: {answer.error}"
            raise ArchiveError(f"{in_short(self._findings.ssap)}: {words}")
        return fewer

    async def _ask(self, constraints: Constraints, maxrec: int) -> _Answer:
        """Request rows once, again after a transient failure."""
        most = {"MAXREC": str(maxrec)} if maxrec != WITHOUT_MAXREC else {}
        url = with_query(self._findings.ssap, {"REQUEST": "queryData"} | most | constraints.parameters())
        attempt = 1
        while True:
            answer = _Answer(maxrec)
            self._requests += 1
            if self._requests > MOST_REQUESTS:
                raise ArchiveError(
                    f"{self._findings.ssap}: its list takes more than {count(MOST_REQUESTS)} requests; {_NARROW}"
                )
            try:
                await self._read(url, answer)
            except ServiceUnavailableError as error:
                if is_too_slow(error.failure) and self._late < _MOST_LATE:
                    self._late += 1
                    answer.is_late = answer.is_cut = True
                    return answer
                if _is_answer(error, maxrec):
                    answer.error = error.failure.detail
                    return answer
                if not self._dividing:
                    raise
                await self._client.wait_after(error, attempt)
                attempt += 1
                continue
            self._late = 0
            answer.is_cut = answer.is_cut or (answer.rows >= maxrec > 0 and not self._most)
            return answer

    async def _read(self, url: str, answer: _Answer) -> None:
        rank: int | None = None
        async with aclosing(self._client.events(url)) as events:
            async for event in events:
                match event:
                    case tuple() if rank is not None:
                        answer.rows += 1
                        self._collector.add(event)
                        if self._collector.has_enough:
                            return
                    case VotableTable():
                        rank = self._begin(event, url, rank)
                    case _:
                        if self._heed(event, answer, rank is not None):
                            answer.is_read = False
                            return

    def _begin(self, table: VotableTable, url: str, rank: int | None) -> int | None:
        """Take the rows of ``table`` if it is the one of results so far; return its rank."""
        own = results_rank(table)
        if rank is not None and own >= rank:
            return None if own > rank else rank  # what comes behind the results is something else
        if own > 1:
            return None
        if rank is not None and not self._dividing:
            self._collector.clear()
        reader = self._collector.begin(table, self._client.address_behind(url), self._constraints)
        if not reader.has_address and not self._findings.id_column:
            return None
        return own

    def _heed(self, event: Event, answer: _Answer, has_begun: bool) -> bool:
        """Take what is said beside the rows.

        Return whether the rest of the answer needs no reading.
        """
        if not isinstance(event, Info):
            return False
        status, words = query_status(event)
        if status == "ERROR":
            answer.error = plain_line(words) or "QUERY_STATUS=ERROR, without a message"
            return True
        if status == "OVERFLOW":
            answer.is_cut = True  # said before the rows, which then are not all: not worth reading if more can be had
            return not has_begun and self._most is None and len(self._maxrecs) > 1
        return False

    def _may_be_cut(self, answer: _Answer) -> bool:
        """Return whether the number of rows looks like a limit that the service does not mention."""
        if self._most is not None:
            return False
        rows, found = answer.rows, self._findings
        if found.says_overflow:
            return rows > 0 and rows % 1000 == 0
        return _is_round(rows) or (found.ignores_maxrec and rows > 0 and rows % 100 == 0)

    # ---- parts

    async def _tiled(self, size: float) -> None:
        """List the sky in circles of at most ``size`` degrees."""
        self._dividing = True
        tiles = list(sky_tiles(size))
        requests = plural(len(tiles), "request")
        self._tell(f"the service takes circles of {size:g} degrees at most: {requests} for the whole sky")
        await self._parts(tiles, plural(len(tiles), "circle of the sky", "circles of the sky"), None)

    async def _divided(self, whole: _Answer) -> None:
        """List parts instead of the ``whole``, which was cut."""
        self._dividing = True
        words = f"it lists {plural(whole.rows, 'row')} in one answer"
        if whole.is_cut:
            words += " and takes too long for all" if whole.is_late else " and says that there are more"
        for name, root in self._dimensions():
            mark = "OVERFLOW: " if whole.is_cut and not whole.is_late else ""
            self._tell(f"{mark}{words}; dividing the list by {name}")
            self._collector.spool.begin_parts()
            if await self._parts(root.divide(), f"parts by {name}", whole):
                missing = self._collector.spool.missing_in_parts
                if missing:
                    self.incomplete = f"{words}; {count(missing)} of them in no part by {name}: {_NARROW}"
                return
        if whole.is_cut:
            self.incomplete = f"{words}{'' if whole.is_late else ' (OVERFLOW)'}: {_NARROW}"
            return
        always = ", the same whatever MAXREC says" if self._findings.ignores_maxrec else ""
        self.incomplete = (
            f"the list may be cut: {words}, a round number{always}, and no constraint divides it: "
            f"{_NARROW}, or write it as it is with --force"
        )

    def _dimensions(self) -> Iterator[tuple[str, Part]]:
        """Yield what the list can be divided by, within the user's own constraints."""
        given = self._constraints
        time = [mjd(end) if end else None for end in given.time or ("", "")]
        times = TimePart(*(limit if end is None else end for end, limit in zip(time, (-inf, inf), strict=True)))
        band = BandPart(max(given.band.low, 0.0), given.band.high) if given.band else BandPart()
        if self._findings.largest_size and given.position == EVERYWHERE.center:
            yield "sky", EVERYWHERE
        yield "time", times
        if given.position is None:
            yield "sky", EVERYWHERE
        yield "wavelength", band

    @property
    def _unique(self) -> int:
        spool = self._collector.spool
        return spool.rows - spool.repeated

    async def _parts(self, parts: Sequence[Part], words: str, whole: _Answer | None) -> bool:
        """List each part, and the parts of one that is cut.

        Return False, soon, if the service does not heed this kind of constraint: its parts are all like the ``whole``.
        """
        stack = list(reversed(parts))
        count = fruitless = 0
        while stack and not self._collector.has_enough:
            part, before = stack.pop(), self._unique
            answer = await self._whole(part.constrain(self._constraints))
            count += 1
            if whole and (self._unique > before or answer.rows != whole.rows or answer.is_cut != whole.is_cut):
                whole = None  # it heeds them
            fruitless += 1
            if whole and fruitless == (len(parts) if whole.rows else _FRUITLESS):
                return False
            if answer.is_cut or self._may_be_cut(answer):
                smaller = part.divide()
                stack += reversed(smaller)
                if not smaller and answer.is_cut:
                    self.incomplete = f"a part that cannot be divided any more has too many rows ({words}): {_NARROW}"
        self.remark = f"put together from {plural(count, 'answer')} ({words})"
        return whole is None


def _is_answer(error: ServiceUnavailableError, maxrec: int) -> bool:
    """Return whether a service says what is wrong with the request, whatever the status."""
    words = error.failure.detail
    is_about_rows = is_too_much(words) or lower_limit(words, maxrec) is not None
    return error.failure.kind is FailureKind.REFUSED_REQUEST or is_about_rows


def _is_round(rows: int) -> bool:
    """Return whether a number of rows looks like a limit: 500, 2,500, 65,536."""
    digits = str(rows).rstrip("0")
    is_power = rows & (rows - 1) == 0 or rows & (rows + 1) == 0
    return rows == 50 or (rows >= 100 and (rows % 1000 == 0 or len(digits) == 1 or digits in ("15", "25") or is_power))
