"""How a harvest is brought to its end before its work is done: once to drain, twice to abort."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..model.exit_codes import EXIT_CODE_PRIORITY, StopReason


class Shutdown:
    """Set once, it drains: no new request, what is in flight may end. Set to abort, nothing is waited for."""

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.aborting = asyncio.Event()
        self.cause: StopReason | None = None
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever draining or aborting begins."""
        self._listeners.append(listener)

    def drain(self, cause: StopReason) -> None:
        """Begin to drain. A later cause replaces an earlier one only where its exit code goes first."""
        if self.cause is None or EXIT_CODE_PRIORITY.index(cause.exit_code) < EXIT_CODE_PRIORITY.index(
            self.cause.exit_code
        ):
            self.cause = cause
        self.draining.set()
        self._tell()

    def abort(self, cause: StopReason) -> None:
        """Drain without patience."""
        self.aborting.set()
        self.drain(cause)

    def interrupt(self, cause: StopReason) -> None:
        """A person's or the system's signal: the first drains, the next aborts."""
        if self.draining.is_set():
            self.abort(cause)
        else:
            self.drain(cause)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
