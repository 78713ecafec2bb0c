"""The outlet: no one waits for a reader, nothing is said twice or cut in two, and the last words get out."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import pytest

import harvester
from harvester import events as ev
from harvester.events.bus import EventBus
from harvester.ui.json_lines import JsonLines
from harvester.ui.output_thread import OutputThread
from tests.unit.ui.test_state import NOON, started

HOME = Path(harvester.__file__).parent.parent
ENOUGH_TO_FILL_A_PIPE = "x" * 1_000_000


class Hose(io.StringIO):
    """A stream that takes nothing until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened, self.reached = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.opened.wait()
        return super().write(text)


def pipe() -> tuple[IO[str], IO[str]]:
    reading, writing = os.pipe()
    return os.fdopen(reading), os.fdopen(writing, "w")


def stuck(most: int = 10) -> tuple[Hose, OutputThread]:
    """An outlet whose thread hangs in its first write."""
    hose = Hose()
    outlet = OutputThread(hose, most)
    outlet.write("0 ")
    hose.reached.wait()
    return hose, outlet


def test_what_is_said_comes_out_in_order() -> None:
    stream = io.StringIO()
    outlet = OutputThread(stream)
    for number in range(1000):
        outlet.write(f"{number}\n")
    assert outlet.close()
    assert stream.getvalue().split() == [str(number) for number in range(1000)]


def test_a_reader_that_sleeps_holds_no_one_up_and_misses_nothing() -> None:
    reader, writer = pipe()
    outlet = OutputThread(writer)
    outlet.write(ENOUGH_TO_FILL_A_PIPE)
    outlet.write("and more")
    assert outlet.pending
    with reader:
        shown = reader.read(len(ENOUGH_TO_FILL_A_PIPE) + len("and more"))
    assert shown == ENOUGH_TO_FILL_A_PIPE + "and more"
    assert outlet.close()
    writer.close()


def test_who_says_too_much_to_a_sleeping_reader_is_reported_but_the_last_words_are_taken() -> None:
    hose, outlet = stuck(most=3)
    for word in ("1 ", "2 ", "3 "):
        outlet.write(word)
    with pytest.raises(BlockingIOError, match="does not keep up"):
        outlet.write("4 ")
    outlet.write_final("the end")
    hose.opened.set()
    assert outlet.close()
    assert hose.getvalue() == "0 1 2 3 the end"


def test_the_last_words_are_waited_for_but_not_for_ever() -> None:
    hose, outlet = stuck()
    assert not outlet.close(timeout=0.01)
    hose.opened.set()


def test_a_reader_that_is_gone_is_reported_to_who_speaks_next() -> None:
    reader, writer = pipe()
    reader.close()
    outlet = OutputThread(writer)
    outlet.write("no one hears this")
    assert not outlet.drain()
    assert not outlet.pending
    with pytest.raises(BrokenPipeError):
        outlet.write("nor this")
    outlet.write_final("last words may fall on deaf ears")
    assert not outlet.close()
    writer.close()


def test_the_bus_drops_and_names_who_speaks_to_a_reader_that_is_gone() -> None:
    reader, writer = pipe()
    reader.close()
    outlet = OutputThread(writer)
    lines = JsonLines(outlet)
    bus = EventBus(lines)
    bus.emit(started())
    outlet.drain()
    bus.emit(ev.HarvestResumed(NOON, "back"))
    bus.emit(ev.HarvestResumed(NOON, "again"))
    assert [lost.observer for lost in bus.failed_observers] == ["JsonLines"]
    lines.end({"saved": 1}, NOON)
    assert not outlet.close()
    writer.close()


def test_no_encoding_is_too_narrow() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w", encoding="ascii") as writer:
        outlet = OutputThread(writer)
        outlet.write("hvězda\n")
        assert reader.readline() == "hv?zda\n"
        assert outlet.close()


def test_a_descriptor_that_someone_made_non_blocking_is_waited_for() -> None:
    reader, writer = pipe()
    os.set_blocking(writer.fileno(), False)
    outlet = OutputThread(writer)
    outlet.write(ENOUGH_TO_FILL_A_PIPE)
    with reader:
        assert reader.read(len(ENOUGH_TO_FILL_A_PIPE)) == ENOUGH_TO_FILL_A_PIPE
    assert outlet.close()
    writer.close()


@pytest.mark.parametrize("reader_is_there", [True, False])
def test_a_process_ends_in_silence_whatever_its_reader_does(reader_is_there: bool) -> None:
    """The interpreter must neither wait for the thread at its end nor complain about the pipe."""
    code = (
        "import sys; from harvester.ui.output_thread import OutputThread; outlet = OutputThread(sys.stdout)\n"
        "outlet.write('x' * 1_000_000); outlet.close(0.2); sys.exit(7)"
    )
    reading, writing = os.pipe()
    if not reader_is_there:
        os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, stdout=writing, stderr=subprocess.PIPE, timeout=60, cwd=HOME
    )
    os.close(writing)
    if reader_is_there:
        os.close(reading)
    assert (done.returncode, done.stderr) == (7, b"")
