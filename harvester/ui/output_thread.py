"""Write to a terminal or a pipe from a thread, so that no slow reader delays the run."""

from __future__ import annotations

import errno
import io
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

MAX_PENDING = 50_000  # texts in memory while the reader is slow; the next one is refused
DRAIN_TIMEOUT = 5.0  # seconds


class OutputThread:
    """Take text at once and write it in order.

    It has what rich needs of a file, so consoles can print to it.

    The thread writes past Python's own buffer where there is a file descriptor: one that hangs in ``sys.stdout`` holds
    a lock that the interpreter wants at its end. It dies with the process, so a reader that never reads cannot keep it.
    """

    def __init__(self, stream: IO[str], most: int = MAX_PENDING) -> None:
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.fault: Exception | None = None
        self._stream, self._most = stream, most
        self._waiting: deque[str] = deque()
        self._writing = self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="output", daemon=True).start()

    def write(self, text: str) -> int:
        """Queue ``text`` and return its length.

        Raises the error of an earlier write, and BlockingIOError if the queue is full.
        """
        with self._changed:
            if self.fault is not None:
                raise self.fault
            if len(self._waiting) >= self._most:
                raise BlockingIOError(errno.EAGAIN, "the reader of the output does not keep up")
            self._append(text)
        return len(text)

    def write_final(self, text: str) -> None:
        """Queue the last text, however much is waiting. Do nothing if the reader is gone."""
        with self._changed:
            if self.fault is None:
                self._append(text)

    @property
    def pending(self) -> bool:
        """Whether something is not written yet."""
        with self._changed:
            return self._unwritten

    def drain(self, timeout: float = DRAIN_TIMEOUT) -> bool:
        """Wait until all is written, at most ``timeout`` seconds; return whether it was."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unwritten, timeout)
            return self.fault is None and not self._unwritten

    def close(self, timeout: float = DRAIN_TIMEOUT) -> bool:
        """Drain, and end the thread; return whether all was written."""
        done = self.drain(timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        return done

    def flush(self) -> None:
        """Do nothing: the thread writes as soon as it can."""

    def isatty(self) -> bool:
        """Return whether the output is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor of the output."""
        return self._stream.fileno()

    @property
    def _unwritten(self) -> bool:
        return self.fault is None and (self._writing or bool(self._waiting))

    def _append(self, text: str) -> None:
        if self._closed:
            raise ValueError("written after the output was closed")
        self._waiting.append(text)
        self._changed.notify_all()

    def _run(self) -> None:
        try:
            self._stream.flush()  # what was printed before comes first
            write = _writer(self._stream, self.encoding)
            while text := self._next():
                write(text)
        except Exception as error:  # noqa: BLE001 - a thread's error would be a traceback; the next ``write`` raises it
            with self._changed:
                self.fault = error
                self._changed.notify_all()

    def _next(self) -> str:
        """Return all that waits as one text; it is empty once closed."""
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._closed)
            text = "".join(self._waiting)
            self._waiting.clear()
            self._writing = bool(text)
            return text


def _writer(stream: IO[str], encoding: str) -> Callable[[str], None]:
    """Return what writes text to ``stream``, to its descriptor where it has one.

    What the encoding does not have becomes a question mark. A notebook's output has a descriptor too, but of the
    terminal from which the notebook's server was started.
    """

    def to_descriptor(text: str) -> None:
        left = memoryview(text.encode(encoding, "replace"))
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:  # another process that shares the terminal made it non-blocking
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
