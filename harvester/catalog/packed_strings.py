"""A million things in little memory: texts in one block, numbers in arrays, and objects only when looked at.

A Python string costs 50 bytes before its first letter, and its place in a dict a hundred more: a catalog of a million
spectra would fill half a gigabyte with what is forty megabytes of text.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress, repeat, takewhile
from pathlib import Path
from tempfile import gettempdir, mkstemp
from typing import Generic, TypeVar, cast, overload
from weakref import finalize

from ..errors import StoreError

S = TypeVar("S", bound=str)
T = TypeVar("T")

FEWEST = 1 << 10  # slots of an index that is still empty
FULL = 0.8  # share of taken slots at which an index is made larger: what is searched is searched by C
BEYOND = 1 << 9  # slots behind the last home slot, so that no search has to begin anew at the front
BLOCK = 16  # texts that share the beginning of their first
END = 0xFF  # no byte of UTF-8: it ends a text
ANY = "surrogatepass"  # file names need not be text
PART = 50_000  # texts that are sorted at once
EVERY = 1000  # texts of which one is looked at to tell where the parts begin
IN_MEMORY = 1 << 20  # bytes of a roster on disk that wait to be written


class PackedStrings(Sequence[S]):
    """Texts in the order in which they came, kept as UTF-8 in blocks.

    Each text is a byte that tells how much of the block's first text it begins with, then the rest of it: identifiers
    differ in their last dozen letters only.
    """

    def __init__(self, texts: Iterable[S] = ()) -> None:
        self._utf8 = bytearray()
        self._starts = array("Q")
        self._count = 0
        self._common = b""
        self._block: tuple[int, list[bytes]] = (-1, [])
        for text in texts:
            self.append(text)

    def append(self, text: S) -> None:
        utf8 = text.encode(errors=ANY)
        if self._count % BLOCK == 0:
            self._starts.append(self._size())
            self._common = utf8[: END - 1]
            self._utf8 += b"\0%b\xff" % utf8
        else:
            if not utf8.startswith(self._common):
                pairs = zip(self._common, utf8, strict=False)
                self._common = utf8[: sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))]
            shared = len(self._common)
            self._utf8 += b"%c%b\xff" % (shared, utf8[shared:])
        self._count += 1

    def _size(self) -> int:
        return len(self._utf8)

    def _read(self, start: int, end: int) -> bytes | bytearray:
        return self._utf8[start:end]

    def _pieces(self, block: int) -> list[bytes]:
        """The texts of a block, each behind the byte that tells what it shares with the first; the last one is empty.

        The block that was read last is remembered, which is enough for whoever goes through the texts in order; the one
        that still grows is not.
        """
        whole = block + 1 < len(self._starts)
        end = self._starts[block + 1] if whole else self._size()
        pieces = bytes(self._read(self._starts[block], end)).split(b"\xff")
        if whole:
            self._block = block, pieces
        return pieces

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> S: ...
    @overload
    def __getitem__(self, place: slice) -> list[S]: ...
    def __getitem__(self, place: int | slice) -> S | list[S]:
        if isinstance(place, slice):
            return [self[number] for number in range(self._count)[place]]
        number = place if 0 <= place < self._count else range(self._count)[place]
        known, pieces = self._block
        if known != number // BLOCK:
            pieces = self._pieces(number // BLOCK)
        piece = pieces[number % BLOCK]
        return cast(S, (pieces[0][1 : 1 + piece[0]] + piece[1:]).decode(errors=ANY))

    def __eq__(self, other: object) -> bool:
        """Equal to any sequence of the same texts, but to no text."""
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as for any list

    def __iter__(self) -> Iterator[S]:
        for block in range(len(self._starts)):
            pieces = self._pieces(block)
            head = pieces[0][1:]
            for piece in pieces[:-1]:
                yield cast(S, (head[: piece[0]] + piece[1:]).decode(errors=ANY))


def ordered(texts: Iterable[S]) -> Iterator[S]:
    """The texts in their order, of which about ``PART`` are there as objects at any time."""
    roster = PackedStrings(texts)
    bounds = sorted(roster[::EVERY])[PART // EVERY :: PART // EVERY]
    parts = [array("I") for _ in range(len(bounds) + 1)]
    for number, text in enumerate(roster):
        parts[bisect(bounds, text)].append(number)
    for part in parts:
        yield from sorted(map(roster.__getitem__, part))


class SpilledStrings(PackedStrings[S]):
    """A roster whose texts are in a temporary file, but for the last ``IN_MEMORY`` bytes. StoreError if the disk fails.

    The file has no name and goes with the roster. Any thread may read while nobody appends.
    """

    def __init__(self, texts: Iterable[S] = ()) -> None:
        self._file: int | None = None
        self._written = 0
        super().__init__(texts)

    def append(self, text: S) -> None:
        super().append(text)
        if len(self._utf8) >= IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file, path = mkstemp(prefix="harvester-")
                finalize(self, os.close, self._file)
                Path(path).unlink()
            while self._utf8:
                done = os.pwrite(self._file, self._utf8, self._written)
                self._written += done
                del self._utf8[:done]
        except OSError as error:
            raise StoreError(f"{gettempdir()}: {error.strerror}; name a folder with room in TMPDIR") from error

    def _size(self) -> int:
        return self._written + len(self._utf8)

    def _read(self, start: int, end: int) -> bytes | bytearray:
        waiting = self._utf8[max(0, start - self._written) : max(0, end - self._written)]
        if self._file is None or start >= self._written:
            return waiting
        try:
            return os.pread(self._file, min(end, self._written) - start, start) + waiting
        except OSError as error:
            raise StoreError(f"{gettempdir()}: {error.strerror}, where the catalog's columns are kept") from error


class StringIndex:
    """Texts to numbers, as a dict would tell them, but without the texts: ``text_of`` gives the text of a number.

    An open hash table without order or end. For each slot there is a byte of its text's hash, 0 if it is empty, which
    only says where it is worth comparing, and a number. Two texts are the same only if they are equal to the letter.
    Room for as many as are ``expected`` is made at once. Numbers ascend. A ``quick`` one also knows ``likely``, for
    four bytes a number.
    """

    def __init__(self, text_of: Callable[[int], str], expected: int = 0, quick: bool = False) -> None:
        self._text_of = text_of
        self._checks: array[int] | None = array("I") if quick else None
        self._make(max(FEWEST, int(expected / FULL) + 1))

    def _make(self, homes: int) -> None:
        self._homes = homes
        self._tags = bytearray(homes + BEYOND)
        self._numbers = array("I", bytes(4)) * len(self._tags)
        self._room = int(homes * FULL) + 1

    def get(self, text: str) -> int | None:
        """The number that ``text`` has, None if it has none."""
        return self._search(text)[0]

    def setdefault(self, text: str, number: int) -> int:
        """The number that ``text`` has; if it has none yet, ``number`` from now on."""
        found, tag, end = self._search(text)
        if found is not None:
            return found
        if end < 0 or not self._room:
            self._grow(number)
            return self.setdefault(text, number)
        self._tags[end] = tag
        self._numbers[end] = number
        self._room -= 1
        checks = self._checks
        if checks is not None:
            if len(checks) < number:
                checks.extend(repeat(0, number - len(checks)))
            checks.append(hash(text) >> 32 & 0xFFFFFFFF)
        return number

    def likely(self, text: str) -> int | None:
        """As ``get``, but by 58 bits of the text's hash and without its letters, in a third of the time.

        Each process salts its hashes: a mistake, of which there is one in 10^5 runs that look for a million strangers
        among a million, is not repeated.
        """
        hashed, tags, checks = hash(text), self._tags, self._checks
        assert checks is not None
        tag, start = hashed % 255 + 1, (hashed >> 8) % self._homes
        check, end = hashed >> 32 & 0xFFFFFFFF, tags.find(0, start)
        slot = tags.find(tag, start, end) if end >= 0 else tags.find(tag, start)
        while slot >= 0:
            number = self._numbers[slot]
            if checks[number] == check:
                return number
            slot = tags.find(tag, slot + 1, end) if end >= 0 else tags.find(tag, slot + 1)
        return None

    def _search(self, text: str) -> tuple[int | None, int, int]:
        """The number that the text has, its tag, and the first empty slot from its home on; -1 if there is none."""
        hashed, tags = hash(text), self._tags
        tag, start = hashed % 255 + 1, (hashed >> 8) % self._homes
        end = tags.find(0, start)
        slot = tags.find(tag, start, end) if end >= 0 else tags.find(tag, start)
        while slot >= 0:
            number = self._numbers[slot]
            if self._text_of(number) == text:
                return number, tag, end
            slot = tags.find(tag, slot + 1, end) if end >= 0 else tags.find(tag, slot + 1)
        return None, tag, end

    def _grow(self, count: int) -> None:
        """Twice the slots. The old ones go first: the texts of the numbers, all below ``count``, tell again what was in
        them, in the order in which they are quickly had."""
        known = bytearray(count)
        for number in compress(self._numbers, self._tags):
            known[number] = 1
        self._fill(known, 2 * self._homes)

    def _fill(self, known: bytearray, homes: int) -> None:
        """Anew, with the numbers that are marked as ``known``."""
        self._tags, self._numbers = bytearray(), array("I")
        self._make(homes)
        for number in compress(range(len(known)), known):
            _, tag, end = self._search(self._text_of(number))
            if end < 0:
                self._fill(known, 2 * homes)
                return
            self._tags[end], self._numbers[end] = tag, number
            self._room -= 1


class StringMap(Mapping[S, int]):
    """Texts, each with a number of its own, as a dict would have them, but a text keeps its first number for ever."""

    def __init__(self, pairs: Iterable[tuple[S, int]] = ()) -> None:
        self._texts = PackedStrings[S]()
        self._numbers = array("Q")
        self._index = StringIndex(self._texts.__getitem__)
        for text, number in pairs:
            if self._index.setdefault(text, len(self._texts)) == len(self._texts):
                self._texts.append(text)
                self._numbers.append(number)

    def __getitem__(self, text: S) -> int:
        place = self._index.get(text)
        if place is None:
            raise KeyError(text)
        return self._numbers[place]

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[S]:
        return iter(self._texts)


class LazySequence(Sequence[T], Generic[T]):
    """What ``numbers`` stand for, in their order; ``made`` makes the thing of a number each time it is looked at."""

    def __init__(self, made: Callable[[int], T], numbers: Sequence[int]) -> None:
        self._made = made
        self._numbers = numbers

    def item(self, number: int) -> T:
        """What any such number stands for, selected or not."""
        return self._made(number)

    @property
    def numbers(self) -> Sequence[int]:
        """What they are the things of."""
        return self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> LazySequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | LazySequence[T]:
        if isinstance(place, slice):
            return LazySequence(self._made, self._numbers[place])
        return self._made(self._numbers[place])

    def __iter__(self) -> Iterator[T]:
        return map(self._made, self._numbers)

    def __eq__(self, other: object) -> bool:
        """Equal to any sequence of the same things."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as for any list

    def __repr__(self) -> str:
        return f"Selection({list(self)!r})"

    def __add__(self, other: LazySequence[T]) -> LazySequence[T]:
        """First these, then those of another selection of the same things."""
        if not self or not other:
            return self or other
        return LazySequence(self._made, array("I", chain(self._numbers, other._numbers)))

    def where(self, wanted: Callable[[T], bool]) -> LazySequence[T]:
        """Those that are ``wanted``."""
        return LazySequence(self._made, array("I", (n for n in self._numbers if wanted(self._made(n)))))
