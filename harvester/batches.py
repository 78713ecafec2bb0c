"""Many things, a handful at a time: what keeps memory flat however long the list is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """``things`` in lists of ``size``, the last one shorter; nothing is taken before it is needed."""
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch
