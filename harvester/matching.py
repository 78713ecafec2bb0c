"""A catalogue held against what the ledger remembers and what lies there: a pass over each, a few bytes a spectrum."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain, compress

from .names import Names
from .roster import Register, Roster
from .segments import Segments, folded
from .spectra import SpectrumId

FITS_BLOCK = 2880  # FITS 4.0, section 3.1: every file is a whole number of these
UNKNOWN = -1  # bytes of a file that was never proved
MOST_BLOCKS = 2**16 - 1  # that two bytes can count, 189 MB

Told = tuple[str, SpectrumId, int | None]
"""What the ledger tells of a stored spectrum: case-folded name, DID, and size in bytes if it was proved."""


class Standing(IntEnum):
    """What a listed spectrum's file is."""

    MISSING = 0
    PRESENT = 1
    SUSPECT = 2
    UNPROVED = 3


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the ledger knows of a stored spectrum: whose it is, and its size in bytes if it was proved."""

    did: SpectrumId
    size: int | None


class Receipts(Mapping[str, Receipt]):
    """Receipts by the case-folded names of the files, in little memory.

    The order of what is ``told`` is best that of the DIDs.
    """

    def __init__(self, told: Iterable[Told]) -> None:
        self._dids = Roster[SpectrumId]()
        self._sizes = array("q")
        self._places = Register(self._kept(told))

    def _kept(self, told: Iterable[Told]) -> Iterator[tuple[str, int]]:
        for place, (name, did, size) in enumerate(told):
            self._dids.append(did)
            self._sizes.append(UNKNOWN if size is None else size)
            yield name, place

    def __getitem__(self, name: str) -> Receipt:
        place = self._places[name]
        size = self._sizes[place]
        return Receipt(self._dids[place], None if size == UNKNOWN else size)

    def __len__(self) -> int:
        return len(self._dids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)


class Match:
    """Where each spectrum of a catalogue stands. First come the receipts, then the files.

    Nearly all have a last segment of their own and are called by it: they are found by their names alone, whatever is
    told of them is kept by their numbers. The others, in ``apart``, are looked up one by one.
    """

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._proved = array("H")  # FITS blocks that the ledger knows of; 0 is unknown; empty while it knows none
        self._standing = bytearray(len(segments.dids))
        self.strays: Sequence[str] = []

    def receipts(self, told: Iterable[Told]) -> Iterator[Told]:
        """Those that decide on names: of spectra that are called otherwise than by their segment, or that have the name
        of another."""
        named, is_of, shared = self._segments.named, self._segments.is_of, self._segments.shared
        for name, did, size in told:
            number = named(name)
            if number is not None and name not in shared and is_of(number, did, name):
                if size is not None and not is_suspect(size):
                    self._prove(number, size // FITS_BLOCK)
            elif number is not None or name != folded(did):
                yield name, did, size

    def _prove(self, number: int, blocks: int) -> None:
        if not self._proved:
            self._proved = array("H", bytes(2)) * len(self._segments.dids)
        if blocks > MOST_BLOCKS and self._proved.typecode == "H":
            self._proved = array("I", self._proved)
        self._proved[number] = blocks

    def files(self, stored: Iterable[tuple[str, int]], names: Names, held: Mapping[str, Receipt]) -> None:
        """Hold the files against the ``names``; ``held`` are the receipts that were told apart. Some may come twice."""
        apart = self._apart(names)
        rest = Register(self._unmatched(stored, apart))
        taken = set()
        for number in chain(self._segments.others, apart):
            name = names.of(self._segments.dids[number])
            size = rest.get(name)
            if size is not None:
                receipt = held.get(name.casefold())
                self._standing[number] = _standing(size, receipt.size if receipt else None)
                taken.add(name)
        self.strays = sorted(name for name in rest if name not in taken)

    def _apart(self, names: Names) -> frozenset[int]:
        """The numbers of those that are not called by their segment, or share it, as far as they are found by it."""
        keys = chain(self._segments.shared, map(folded, names.special))
        return frozenset(number for number in map(self._segments.named, keys) if number is not None)

    def _unmatched(self, stored: Iterable[tuple[str, int]], apart: frozenset[int]) -> Iterator[tuple[str, int]]:
        named, is_called = self._segments.named, self._segments.is_called
        proved, standing, present = self._proved or bytes(len(self._standing)), self._standing, int(Standing.PRESENT)
        for name, size in stored:
            number = named(name.casefold())
            if number is None or number in apart or not is_called(number, name):
                yield name, size
            elif size and size == proved[number] * FITS_BLOCK:
                standing[number] = present
            else:
                standing[number] = Standing.SUSPECT if is_suspect(size) else Standing.UNPROVED

    def numbers(self, standing: Standing) -> Sequence[int]:
        """The numbers of those that stand so."""
        chosen = self._standing.translate(bytes(each == standing for each in range(256)))
        everybody = range(len(chosen))
        return everybody if all(chosen) else array("I", compress(everybody, chosen))


def _standing(size: int, proved: int | None) -> Standing:
    """What a file of ``size`` bytes is, by the size that the ledger has ``proved``."""
    if is_suspect(size):
        return Standing.SUSPECT
    return Standing.PRESENT if proved == size else Standing.UNPROVED


def is_suspect(size: int) -> bool:
    """Whether a file of ``size`` bytes cannot be FITS, whatever is in it."""
    return size == 0 or size % FITS_BLOCK != 0
