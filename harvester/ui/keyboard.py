"""The keyboard while the dashboard is shown: read key by key and not echoed."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import IO, Any

TYPED_AT_ONCE = 64  # bytes


class Keyboard:
    """A terminal's keyboard. An echoed ``^C`` or Enter would move the picture up by a line.

    Only a process in the foreground may set a terminal's modes or read from it; the system stops all others. Windows
    has no such modes: there, and where the input is no terminal, no key is ever read.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stdin if stream is None else stream
        self._before: list[Any] | None = None

    @property
    def is_open(self) -> bool:
        """Whether keys are read."""
        return self._before is not None

    def open(self) -> None:
        """Turn off echo and line editing, if there is a terminal and it is ours."""
        with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):  # no keyboard: nothing is echoed
            descriptor = self._stream.fileno()
            if _in_foreground(descriptor):
                self._before = _modes(descriptor)
                self._silence(descriptor)

    def read(self) -> str:
        """Return the keys typed since the last call, without waiting.

        It is empty while another process has the terminal.
        """
        if self._before is None:
            return ""
        try:
            descriptor = self._stream.fileno()
            if not _in_foreground(descriptor):
                return ""
            self._silence(descriptor)  # a shell that stopped and continued us may have changed the modes
            if not select.select([descriptor], [], [], 0)[0]:
                return ""
            return os.read(descriptor, TYPED_AT_ONCE).decode("ascii", "ignore")
        except (OSError, ValueError):  # the terminal is gone; the output thread notices
            return ""

    def restore(self) -> None:
        """Set the modes back to what they were. A second call does nothing."""
        before, self._before = self._before, None
        if before is None:
            return
        import termios

        with contextlib.suppress(OSError, ValueError, termios.error):  # the terminal is gone, and its modes with it
            descriptor = self._stream.fileno()
            if _in_foreground(descriptor):
                termios.tcsetattr(descriptor, termios.TCSANOW, before)

    def _silence(self, descriptor: int) -> None:
        import termios

        modes = _modes(descriptor)
        if modes[3] & (termios.ECHO | termios.ICANON):
            modes[3] &= ~(termios.ECHO | termios.ICANON)
            modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
            termios.tcsetattr(descriptor, termios.TCSANOW, modes)


def _in_foreground(descriptor: int) -> bool:
    return os.tcgetpgrp(descriptor) == os.getpgrp()


def _modes(descriptor: int) -> list[Any]:
    """Return the terminal's modes. OSError if it has none."""
    import termios

    try:
        return termios.tcgetattr(descriptor)
    except termios.error as error:
        raise OSError(*error.args) from None
