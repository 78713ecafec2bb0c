"""Offer files that none of our readers knows to those of specutils and astropy.

They come with the extra ``specutils``.

They run in a process of their own (``other_process.py``), which is killed when a file takes too long or too much
memory, and started again for the next one.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import struct
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..fits.cards import Cards
from ..fits.spectrum import Array, Spectrum
from ..model.conventions import FileConventions

STARTED_WITHIN, READ_WITHIN = 60.0, 20.0  # seconds: for the first file, with the import of both packages, and any other
_LENGTH = struct.Struct(">Q")
_PIECE = 1 << 20
_LONGEST_ANSWER = 1 << 30


@cache
def are_others_installed() -> bool:
    """Return whether there are other readers."""
    return find_spec("specutils") is not None


class OtherReaders:
    """A process with the readers of specutils and astropy.

    It reads one file after the other.
    """

    def __init__(self, started_within: float = STARTED_WITHIN, read_within: float = READ_WITHIN) -> None:
        self._started_within, self._read_within = started_within, read_within
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None  # of its files; it may be killed
        self._lock = threading.Lock()

    def read(
        self, raw: bytes, is_votable: bool, headers: tuple[Cards, Cards], conventions: FileConventions
    ) -> Spectrum | None:
        """Return the spectrum in ``raw`` as one of the other readers has it.

        Its wavelengths are in Angstrom. None if none of them finds one in time. Blocks.
        """
        with self._lock:
            try:
                answer = self._exchange((b"v" if is_votable else b"f") + raw)
            except (OSError, TimeoutError, EOFError, ValueError):
                self._kill()
                return None
        about, arrays = _unpacked(answer)
        if about is None:
            return None
        remark = f"no reader of this program knows its form: it is read by {about['reader']}"
        return Spectrum(
            arrays["wave"], "Angstrom", arrays["flux"], str(about["flux_unit"]), 1, headers[0], headers[1],
            uncertainty=arrays.get("uncertainty"), mask=arrays["mask"] != 0 if "mask" in arrays else None,
            lengths=tuple(about["lengths"]) if len(about["lengths"]) > 1 else (),
            conventions=conventions, remarks=(remark,),
        )  # fmt: skip

    def _exchange(self, request: bytes) -> bytes:
        process, seconds = self._running()
        deadline = time.monotonic() + seconds
        assert process.stdin is not None
        assert process.stdout is not None
        _write(process.stdin.fileno(), _LENGTH.pack(len(request)) + request, deadline)
        (size,) = _LENGTH.unpack(_read(process.stdout.fileno(), _LENGTH.size, deadline))
        if size > _LONGEST_ANSWER:
            raise ValueError
        return _read(process.stdout.fileno(), size, deadline)

    def _running(self) -> tuple[subprocess.Popen[bytes], float]:
        """Return the process, and the seconds that it has for its next file."""
        if self._process is not None and self._process.poll() is None:
            return self._process, self._read_within
        self._kill()
        self._folder = tempfile.TemporaryDirectory(prefix="harvester-reader-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(  # noqa: S603 - this Python, with a module of this package
            [sys.executable, "-m", f"{__package__}.other_process", self._folder.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        return self._process, self._started_within

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                stream.close()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._kill()


def _write(descriptor: int, content: bytes, deadline: float) -> None:
    view = memoryview(content)
    while view:
        _wait(descriptor, selectors.EVENT_WRITE, deadline)
        view = view[os.write(descriptor, view[:_PIECE]) :]


def _read(descriptor: int, size: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        _wait(descriptor, selectors.EVENT_READ, deadline)
        piece = os.read(descriptor, min(_PIECE, size - len(parts)))
        if not piece:
            raise EOFError
        parts += piece
    return bytes(parts)


def _wait(descriptor: int, event: int, deadline: float) -> None:
    """Wait until the process reads or has written. TimeoutError."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, event)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError


def _unpacked(answer: bytes) -> tuple[dict[str, Any] | None, dict[str, Array]]:
    """Return what the process says about the spectrum, and its arrays; None if it found none."""
    about: dict[str, Any] = json.loads(answer[_LENGTH.size : _LENGTH.size + _LENGTH.unpack_from(answer)[0]])
    if not about["reader"]:
        return None, {}
    numbers = np.frombuffer(answer[_LENGTH.size + _LENGTH.unpack_from(answer)[0] :], np.float64)
    points = sum(about["lengths"])
    return about, {name: numbers[n * points : (n + 1) * points] for n, name in enumerate(about["arrays"])}


@cache
def other_readers() -> OtherReaders:
    """Return the other readers that this process uses."""
    readers = OtherReaders()
    atexit.register(readers.close)
    return readers
