"""A way out to a terminal or a pipe that never makes the harvest wait: what is said queues up, a thread writes it."""

from __future__ import annotations

import errno
import io
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

MOST = 50_000  # texts in memory while nobody reads; then whoever speaks is told
PATIENCE = 5.0  # seconds that the last words get to be read


class OutputThread:
    """Takes text at once and writes it in order. It is also what rich needs of a file, so consoles can print to it.

    The thread writes past Python's own buffer where there is a file descriptor: one that hangs in ``sys.stdout`` holds
    a lock that the interpreter wants at its end. It dies with the process, so a reader that never reads cannot keep it.
    """

    def __init__(self, stream: IO[str], most: int = MOST) -> None:
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.fault: Exception | None = None
        self._stream, self._most = stream, most
        self._waiting: deque[str] = deque()
        self._writing = self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="outlet", daemon=True).start()

    def write(self, text: str) -> int:
        """Queue ``text`` and return its length.

        Raises the error of an earlier write, and BlockingIOError if the queue is full.
        """
        with self._changed:
            if self.fault is not None:
                raise self.fault
            if len(self._waiting) >= self._most:
                raise BlockingIOError(errno.EAGAIN, "whoever reads our output does not keep up")
            self._append(text)
        return len(text)

    def write_final(self, text: str) -> None:
        """Queue last words, however much is waiting. Silent if the reader is gone: nobody is left to be told."""
        with self._changed:
            if self.fault is None:
                self._append(text)

    @property
    def pending(self) -> bool:
        """Whether something that was said is still on its way."""
        with self._changed:
            return self._unwritten

    def drain(self, timeout: float = PATIENCE) -> bool:
        """Wait until all is written, but no longer than ``timeout``; whether it was."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unwritten, timeout)
            return self.fault is None and not self._unwritten

    def close(self, timeout: float = PATIENCE) -> bool:
        """Drain, and let the thread go."""
        done = self.drain(timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        return done

    def flush(self) -> None:
        """Nothing to do: the thread writes as soon as it can."""

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def _unwritten(self) -> bool:
        return self.fault is None and (self._writing or bool(self._waiting))

    def _append(self, text: str) -> None:
        if self._closed:
            raise ValueError("said after the outlet was closed")
        self._waiting.append(text)
        self._changed.notify_all()

    def _run(self) -> None:
        try:
            self._stream.flush()  # what was printed before us comes before us
            write = _writer(self._stream, self.encoding)
            while text := self._next():
                write(text)
        except Exception as error:  # noqa: BLE001 - a thread's error would be a traceback; whoever speaks next gets it
            with self._changed:
                self.fault = error
                self._changed.notify_all()

    def _next(self) -> str:
        """All that waits, as one text; empty once closed."""
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._closed)
            text = "".join(self._waiting)
            self._waiting.clear()
            self._writing = bool(text)
            return text


def _writer(stream: IO[str], encoding: str) -> Callable[[str], None]:
    """How text gets out of ``stream``: straight to its descriptor where it has one. No encoding is too narrow.

    A notebook's output has one too, but it is that of the terminal from which the notebook's server was started.
    """

    def to_descriptor(text: str) -> None:
        left = memoryview(text.encode(encoding, "replace"))
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:  # somebody who shares the terminal made it non-blocking
                select.select([], [descriptor], [])

    def to_stream(text: str) -> None:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()

    if not isinstance(stream, io.TextIOWrapper):
        return to_stream
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError, io.UnsupportedOperation):
        return to_stream
    return to_descriptor
