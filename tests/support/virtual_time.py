"""An event loop whose clock jumps to the next timer instead of sleeping: a night passes in a second.

The clock stands still while anything is ready to run, while a socket has something to say, and while a thread works
for ``asyncio.to_thread``; so what a coroutine sees is what it would see on a machine that is never late. Threads that
a test starts by other means are unknown to it: give the engine a store in memory.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PATIENCE = 5.0  # real seconds for a thread or a socket to speak, where no timer is left to jump to


class _Selector(selectors.DefaultSelector):
    """Looks at the sockets, but lets the loop's clock pass where a real one would sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0.0
        self.threads_at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or timeout == 0:
            return found
        if self.threads_at_work:
            return super().select(None)
        if timeout is not None:
            self.clock += timeout
            return found
        found = super().select(PATIENCE)
        if not found:
            raise RuntimeError("deadlock: nothing is ready, no timer is set, no one will ever wake this loop")
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on a virtual clock that begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.clock

    def stall(self, seconds: float) -> None:
        """Let time pass while nothing runs, as a busy machine does."""
        self._virtual.clock += seconds

    def run_in_executor(
        self, executor: concurrent.futures.Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        self._virtual.threads_at_work += 1
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_is_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's own
        """Wait for the threads without a deadline, which Python 3.12 has and a virtual clock reaches at once."""
        await super().shutdown_default_executor()

    def _thread_is_done(self, _: asyncio.Future[Any]) -> None:
        self._virtual.threads_at_work -= 1


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on virtual time: what ``main`` returns, however many hours it sleeps."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual_loop() -> VirtualLoop:
    """The running loop, where it is a virtual one."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop
