"""The terminal as the dashboard borrows it: what it can show, how it is written to, and how it is given back."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO, Any, cast

from rich.console import Console

from .output_thread import OutputThread

SHOW_CURSOR = "\x1b[?25h"


class Terminal(Console):
    """A console on an outlet. A reader that is gone is an exception here; rich's own answer is to leave the program."""

    def __init__(self, outlet: OutputThread, **options: Any) -> None:
        super().__init__(file=cast("IO[str]", outlet), **options)
        self.outlet = outlet

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError("whoever read our output is gone")


class Echo:
    """Whether the terminal shows what is typed: an echoed ``^C`` or Enter would push the picture up by a line.

    Only the foreground may set a terminal's modes; the system stops anyone else who tries. Not on Windows.
    """

    def __init__(self, keys: IO[str] | None = None) -> None:
        self._keys = sys.stdin if keys is None else keys
        self._before: list[Any] | None = None

    def off(self) -> None:
        with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):  # no keyboard: nothing is echoed
            import termios

            descriptor = self._keys.fileno()
            if os.tcgetpgrp(descriptor) == os.getpgrp():
                self._before = _modes(descriptor)
                silent = [*self._before[:3], self._before[3] & ~termios.ECHO, *self._before[4:]]
                termios.tcsetattr(descriptor, termios.TCSANOW, silent)

    def restore(self) -> None:
        """As it was before; what was typed meanwhile stays for the shell. A second call does nothing."""
        before, self._before = self._before, None
        if before is None:
            return
        import termios

        with contextlib.suppress(OSError, ValueError, termios.error):  # the terminal is gone, and its modes with it
            descriptor = self._keys.fileno()
            if os.tcgetpgrp(descriptor) == os.getpgrp():
                termios.tcsetattr(descriptor, termios.TCSANOW, before)


def _modes(descriptor: int) -> list[Any]:
    """The terminal's modes. OSError if it has none."""
    import termios

    try:
        return termios.tcgetattr(descriptor)
    except termios.error as error:
        raise OSError(*error.args) from None
