"""Keep a million strings in little memory.

Text is in one block and numbers are in arrays; objects are made only on access.

A Python string costs 50 bytes before its first letter, and its place in a dict a hundred more. Measured with a million
DIDs: 44 MB and 8.9 s here, 368 MB and 4.0 s as a plain dictionary.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress, repeat, takewhile
from pathlib import Path
from tempfile import gettempdir, mkstemp
from typing import TypeVar, cast, overload
from weakref import finalize

from ..errors import StoreError

S = TypeVar("S", bound=str)
T = TypeVar("T")

MIN_SLOTS = 1 << 10  # of an index that is still empty
MAX_LOAD = 0.8  # share of taken slots at which an index grows: the search itself is done by C
OVERFLOW_SLOTS = 1 << 9  # behind the last home slot, so that no search has to wrap around
STRINGS_PER_BLOCK = 16  # that share the beginning of the first one
END = 0xFF  # no byte of UTF-8: it ends a string
ENCODING_ERRORS = "surrogatepass"  # file names need not be text
STRINGS_PER_SORT = 50_000
SAMPLE_STEP = 1000  # strings of which one is looked at to find where the sorted parts begin
UNWRITTEN_BYTES = 1 << 20  # of spilled strings that wait to be written


class PackedStrings(Sequence[S]):
    """Strings in the order of their arrival, kept as UTF-8 in blocks.

    Each string is a byte with the length of what it has in common with the block's first one, then the rest of it:
    identifiers differ in their last dozen letters only.
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
        """Add a string."""
        utf8 = text.encode(errors=ENCODING_ERRORS)
        if self._count % STRINGS_PER_BLOCK == 0:
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
        """Return the strings of a block, each after the length of what it shares with the first.

        The last is empty.

        The block that was read last is cached, which is enough for access in order; the one that still grows is not.
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
    def __getitem__(self, index: int) -> S: ...
    @overload
    def __getitem__(self, index: slice) -> list[S]: ...
    def __getitem__(self, index: int | slice) -> S | list[S]:
        if isinstance(index, slice):
            return [self[number] for number in range(self._count)[index]]
        number = index if 0 <= index < self._count else range(self._count)[index]
        known, pieces = self._block
        if known != number // STRINGS_PER_BLOCK:
            pieces = self._pieces(number // STRINGS_PER_BLOCK)
        piece = pieces[number % STRINGS_PER_BLOCK]
        return cast(S, (pieces[0][1 : 1 + piece[0]] + piece[1:]).decode(errors=ENCODING_ERRORS))

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a sequence of the same strings; a string is not."""
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as for any list

    def __iter__(self) -> Iterator[S]:
        for block in range(len(self._starts)):
            pieces = self._pieces(block)
            head = pieces[0][1:]
            for piece in pieces[:-1]:
                yield cast(S, (head[: piece[0]] + piece[1:]).decode(errors=ENCODING_ERRORS))


def ordered(texts: Iterable[S]) -> Iterator[S]:
    """Yield the strings sorted; about ``STRINGS_PER_SORT`` are objects at any time."""
    packed = PackedStrings(texts)
    bounds = sorted(packed[::SAMPLE_STEP])[STRINGS_PER_SORT // SAMPLE_STEP :: STRINGS_PER_SORT // SAMPLE_STEP]
    parts = [array("I") for _ in range(len(bounds) + 1)]
    for number, text in enumerate(packed):
        parts[bisect(bounds, text)].append(number)
    for part in parts:
        yield from sorted(map(packed.__getitem__, part))


class SpilledStrings(PackedStrings[S]):
    """Packed strings in a temporary file, but for the last ``UNWRITTEN_BYTES``.

    StoreError if the disk fails.

    The file has no name and goes with the object. Any thread may read while none appends.
    """

    def __init__(self, texts: Iterable[S] = ()) -> None:
        self._file: int | None = None
        self._written = 0
        super().__init__(texts)

    def append(self, text: S) -> None:
        """Add a string."""
        super().append(text)
        if len(self._utf8) >= UNWRITTEN_BYTES:
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
            raise StoreError(f"{gettempdir()}: {error.strerror}; set TMPDIR to a folder with free space") from error

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
    """A map from strings to numbers that keeps no strings.

    ``text_of`` returns the string of a number.

    An open hash table. Each slot has a byte of its string's hash, 0 if it is empty, which tells where comparing is
    worthwhile, and a number. Strings are the same only if they are equal. Room for ``expected`` strings is made at
    once. Numbers ascend. A ``quick`` index also has ``likely``, for four bytes a number.
    """

    def __init__(self, text_of: Callable[[int], str], expected: int = 0, quick: bool = False) -> None:
        self._text_of = text_of
        self._checks: array[int] | None = array("I") if quick else None
        self._make(max(MIN_SLOTS, int(expected / MAX_LOAD) + 1))

    def _make(self, homes: int) -> None:
        self._homes = homes
        self._tags = bytearray(homes + OVERFLOW_SLOTS)
        self._numbers = array("I", bytes(4)) * len(self._tags)
        self._room = int(homes * MAX_LOAD) + 1

    def get(self, text: str) -> int | None:
        """Return the number of ``text``, None if it has none."""
        return self._search(text)[0]

    def setdefault(self, text: str, number: int) -> int:
        """Return the number of ``text``; if it has none yet, it gets ``number``."""
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
        """Return the same by 58 bits of the hash, in a third of the time.

        The string itself is not compared.

        There is one mistake in 10^5 runs that look for a million other strings among a million; it is not repeated,
        since each process salts its hashes.
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
        """Return the number of ``text``, its tag, and the first empty slot from its home on.

        The slot is -1 if there is none.
        """
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
        """Double the slots.

        The old ones are released first: the strings of the numbers, all below ``count``, give again what was in them.
        """
        known = bytearray(count)
        for number in compress(self._numbers, self._tags):
            known[number] = 1
        self._fill(known, 2 * self._homes)

    def _fill(self, known: bytearray, homes: int) -> None:
        """Fill ``homes`` slots with the numbers that are marked as ``known``."""
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
    """A map from strings to numbers in little memory; a string keeps its first number."""

    def __init__(self, pairs: Iterable[tuple[S, int]] = ()) -> None:
        self._texts = PackedStrings[S]()
        self._numbers = array("Q")
        self._index = StringIndex(self._texts.__getitem__)
        for text, number in pairs:
            if self._index.setdefault(text, len(self._texts)) == len(self._texts):
                self._texts.append(text)
                self._numbers.append(number)

    def __getitem__(self, text: S) -> int:
        number = self._index.get(text)
        if number is None:
            raise KeyError(text)
        return self._numbers[number]

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[S]:
        return iter(self._texts)
