"""A million things in little memory: texts in one block, numbers in arrays, and objects only when looked at.

A Python string costs 50 bytes before its first letter, and its place in a dict a hundred more: a catalogue of a million
spectra would fill half a gigabyte with what is forty megabytes of text.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Generic, TypeVar, cast, overload

S = TypeVar("S", bound=str)
T = TypeVar("T")

_FEWEST = 1 << 10  # slots of an index that is still empty; always a power of two
_LOW = 0xFFFF_FFFF


class Roster(Sequence[S]):
    """Texts in the order in which they came, kept as UTF-8."""

    def __init__(self, texts: Iterable[S] = ()) -> None:
        self._utf8 = bytearray()
        self._bounds = array("Q", [0])
        for text in texts:
            self.append(text)

    def append(self, text: S) -> None:
        self._utf8 += text.encode()
        self._bounds.append(len(self._utf8))

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, place: int) -> S: ...
    @overload
    def __getitem__(self, place: slice) -> list[S]: ...
    def __getitem__(self, place: int | slice) -> S | list[S]:
        if isinstance(place, slice):
            return [self[number] for number in range(len(self))[place]]
        number = range(len(self))[place]
        return cast(S, self._utf8[self._bounds[number] : self._bounds[number + 1]].decode())

    def __iter__(self) -> Iterator[S]:
        start = 0
        for end in islice(self._bounds, 1, None):
            yield cast(S, self._utf8[start:end].decode())
            start = end


class Index:
    """Texts to numbers, as a dict would tell them, but without the texts: ``text_of`` gives the text of a number.

    An open hash table. A slot has 32 bits of the text's hash, which only say where it is worth comparing, above the
    number plus one; 0 is an empty slot. Two texts are the same only if they are equal to the letter. Room for as many
    as are ``expected`` is made at once.
    """

    def __init__(self, text_of: Callable[[int], str], expected: int = 0) -> None:
        self._text_of = text_of
        self._slots = array("Q", [0]) * max(_FEWEST, 1 << (2 * expected).bit_length())
        self._room = len(self._slots) // 2

    def setdefault(self, text: str, number: int) -> int:
        """The number that ``text`` has; if it has none yet, ``number`` from now on."""
        tag = hash(text) & _LOW
        slots = self._slots
        mask = len(slots) - 1
        slot = tag & mask
        while entry := slots[slot]:
            if entry >> 32 == tag and self._text_of((entry & _LOW) - 1) == text:
                return (entry & _LOW) - 1
            slot = (slot + 1) & mask
        slots[slot] = tag << 32 | number + 1
        self._room -= 1
        if not self._room:
            self._grow()
        return number

    def _grow(self) -> None:
        """Twice the slots, so that never more than half of them are taken and a search ends soon."""
        slots = array("Q", [0]) * (2 * len(self._slots))
        mask = len(slots) - 1
        for entry in filter(None, self._slots):
            slot = entry >> 32 & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = entry
        self._room = len(self._slots) // 2
        self._slots = slots


class Selection(Sequence[T], Generic[T]):
    """What ``numbers`` stand for, in their order; ``made`` makes the thing of a number each time it is looked at."""

    def __init__(self, made: Callable[[int], T], numbers: Sequence[int]) -> None:
        self._made = made
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Selection[T]: ...
    def __getitem__(self, place: int | slice) -> T | Selection[T]:
        if isinstance(place, slice):
            return Selection(self._made, self._numbers[place])
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

    def __add__(self, other: Selection[T]) -> Selection[T]:
        """First these, then those of another selection of the same things."""
        return Selection(self._made, array("I", chain(self._numbers, other._numbers)))

    def where(self, wanted: Callable[[T], bool]) -> Selection[T]:
        """Those that are ``wanted``."""
        return Selection(self._made, array("I", (n for n in self._numbers if wanted(self._made(n)))))
