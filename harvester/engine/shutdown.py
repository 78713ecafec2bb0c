"""End a harvest before its work is done: drain first, then abort."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..model.exit_codes import EXIT_CODE_PRIORITY, StopReason


class Shutdown:
    """Requested once, the run drains: no new request, requests in flight may finish.

    Aborted, it waits for nothing.
    """

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.aborting = asyncio.Event()
        self.cause: StopReason | None = None
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever draining or aborting begins."""
        self._listeners.append(listener)

    def drain(self, cause: StopReason) -> None:
        """Begin to drain.

        A later cause replaces an earlier one only if its exit code has priority.
        """
        if self.cause is None or _priority(cause) < _priority(self.cause):
            self.cause = cause
        self.draining.set()
        for listener in self._listeners:
            listener()

    def abort(self, cause: StopReason) -> None:
        """Stop without waiting for requests in flight."""
        self.aborting.set()
        self.drain(cause)

    def interrupt(self, cause: StopReason) -> None:
        """Handle a signal: the first one drains, the next one aborts."""
        if self.draining.is_set():
            self.abort(cause)
        else:
            self.drain(cause)


def _priority(cause: StopReason) -> int:
    return EXIT_CODE_PRIORITY.index(cause.exit_code)
