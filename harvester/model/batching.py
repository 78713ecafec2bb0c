"""Work through a long list in batches.

Memory stays flat however long the list is.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Pool:
    """Others who do work: ``width`` of them at once.

    Of work that can as well be done here, they are worth starting for more than ``least`` things.
    """

    executor: Executor
    width: int
    least: int = 0


@contextmanager
def spawned(processes: int, least: int = 0) -> Iterator[Pool]:
    """Yield a pool of processes of this machine, which start with the first work.

    They are spawned, not forked, as the caller may have threads: ``__main__`` must be importable. BrokenProcessPool is
    raised by their work if the system kills one of them.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _leave_with_parent) as executor:
        try:
            yield Pool(executor, processes, least)
        finally:
            executor.shutdown(cancel_futures=True)


def _leave_with_parent() -> None:
    """In a process of the pool: leave Ctrl-C to the parent, and end when the parent is killed."""
    import multiprocessing
    from multiprocessing.connection import wait

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


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
