"""A sequence that makes its items on access, from numbers."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Generic, TypeVar, overload

T = TypeVar("T")


class LazySequence(Sequence[T], Generic[T]):
    """The items of ``numbers``, in their order.

    ``make`` makes the item of a number on each access.
    """

    def __init__(self, make: Callable[[int], T], numbers: Sequence[int]) -> None:
        self._make = make
        self._numbers = numbers

    def item(self, number: int) -> T:
        """Return the item of any number, also of one that is not in this sequence."""
        return self._make(number)

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of the items."""
        return self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> LazySequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | LazySequence[T]:
        if isinstance(index, slice):
            return LazySequence(self._make, self._numbers[index])
        return self._make(self._numbers[index])

    def __iter__(self) -> Iterator[T]:
        return map(self._make, self._numbers)

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a sequence of the same items."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as for any list

    def __repr__(self) -> str:
        return f"LazySequence({list(self)!r})"

    def __add__(self, other: LazySequence[T]) -> LazySequence[T]:
        """Return these items, then those of another sequence of the same kind."""
        if not self or not other:
            return self or other
        return LazySequence(self._make, array("I", chain(self._numbers, other._numbers)))

    def where(self, wanted: Callable[[T], bool]) -> LazySequence[T]:
        """Return the items that are ``wanted``."""
        return LazySequence(self._make, array("I", (n for n in self._numbers if wanted(self._make(n)))))
