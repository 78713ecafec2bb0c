"""The list of an archive from its SSAP service: all of it in one answer to queryData (SSAP 1.1, section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import aclosing

from ..errors import ArchiveError, UsageError
from ..formatting import plain_line
from ..vo.constraints import Constraints
from ..vo.descriptors import Findings
from ..vo.document import is_status
from ..vo.listing import CatalogWriter, ListingReader, ListingSummary
from ..vo.urls import with_query
from ..vo.votable_model import Event, Info, VotableTable
from .client import VoClient

MAXRECS = (100_000, 1_000_000)  # DaCHS gives 10,000 unasked, and a million at most
_ROWS_A_SPECTRUM = 4  # more formats than any archive serves


async def list_at_once(
    asker: VoClient, findings: Findings, constraints: Constraints, sink: CatalogWriter, most: int | None
) -> ListingSummary:
    """Every spectrum of the SSAP service, into ``sink``. Asked again with more MAXREC where there are more rows.

    SSAP has no pages (1.1, section 8.10.2): where the archive's own limit is reached, ArchiveError says what to do.
    """
    if not findings.ssap:
        raise UsageError("--catalog: the list comes from the archive's SSAP or TAP service: give that address")
    if not findings.id_column:
        raise ArchiveError(f"{findings.ssap}: its rows name no publisher DID, by which spectra are asked for")
    limits = list(MAXRECS) if most is None else [min(most * _ROWS_A_SPECTRUM, MAXRECS[-1]), MAXRECS[-1]]
    while True:
        maxrec = limits.pop(0)
        answer = _Answer(findings, constraints, sink, most, is_last=not limits)
        query = {"REQUEST": "queryData", "MAXREC": str(maxrec)} | constraints.parameters()
        async with aclosing(asker.events(with_query(findings.ssap, query))) as events:
            async for event in events:
                if answer.take(event):
                    break
        if answer.error is not None:
            limits = [_allowed(answer.error, maxrec, findings.ssap)]
        elif not answer.more or answer.has_enough:
            return answer.listed()
        elif not limits or (answer.is_whole and answer.rows < maxrec):
            raise ArchiveError(
                f"{findings.ssap}: it lists {answer.rows:,} rows in one answer and says that there are more: "
                "narrow the list with --band, --time, --pos or --target, and make several"
            )


class _Answer:
    """One answer to queryData, on its way into the sink."""

    def __init__(
        self, findings: Findings, constraints: Constraints, sink: CatalogWriter, most: int | None, is_last: bool
    ) -> None:
        self._findings = findings
        self._constraints = constraints
        self._sink = sink
        self._most = most
        self._is_last = is_last
        self._listing: ListingReader | None = None
        self.more = False
        self.is_whole = True
        self.error: str | None = None

    @property
    def rows(self) -> int:
        return self._listing.rows if self._listing else 0

    @property
    def has_enough(self) -> bool:
        return self._listing is not None and self._listing.spectra == self._most

    def take(self, event: Event) -> bool:
        """Whether the rest of the answer needs no reading."""
        match event:
            case tuple() if self._listing:
                return self._write(self._listing.take(event))
            case VotableTable() if self._listing is None and event.place(self._findings.id_column) is not None:
                by_address = self._findings.mode != "soda"
                self._listing = ListingReader(event, self._findings.id_column, self._constraints, by_address)
                self._sink.begin(self._listing.header)
            case Info() if is_status(event, "OVERFLOW"):
                self.more = True  # told before the rows, which then are not all: not worth their while
                self.is_whole = self._listing is not None or self._most is not None or self._is_last
                return not self.is_whole
            case Info() if is_status(event, "ERROR"):
                self.error = plain_line(event.text) or "QUERY_STATUS=ERROR, without a word"
                return True
        return False

    def _write(self, spectra: Iterable[dict[str, str]]) -> bool:
        for spectrum in spectra:
            self._sink.write(spectrum)
        return self.has_enough

    def listed(self) -> ListingSummary:
        """What came of it, the last spectrum included."""
        listing = self._listing
        if listing is None:
            raise ArchiveError(f"{self._findings.ssap}: it has no table with a column {self._findings.id_column}")
        if self.has_enough:
            self.more = True
        else:
            self._write(listing.rest())
        return ListingSummary(listing.spectra, listing.rows, listing.nameless, listing.outside, self.more)


def _allowed(words: str, maxrec: int, url: str) -> int:
    """The MAXREC that an error names as the highest."""
    smaller = [int(number) for number in re.findall(r"\d{2,9}", words) if int(number) < maxrec]
    if "maxrec" in words.casefold() and smaller:
        return max(smaller)
    raise ArchiveError(f"{url}: the service says: {words}")
