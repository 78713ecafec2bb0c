"""Work through a long list in batches.

Memory stays flat however long the list is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Pool:
    """Others who do work: ``width`` of them at once."""

    executor: Executor
    width: int


def batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """``things`` in lists of ``size``, the last one shorter.

    Nothing is taken before it is needed.
    """
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch


def in_order(pool: Pool, work: Callable[[T], R], things: Iterable[T]) -> Generator[R, None, None]:
    """Yield the results of ``work`` for each of ``things``, in their order.

    Two for each of the pool are under way at most.
    """
    ahead: deque[Future[R]] = deque()
    try:
        for thing in things:
            ahead.append(pool.executor.submit(work, thing))
            if len(ahead) >= 2 * pool.width:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        for left in ahead:
            left.cancel()
