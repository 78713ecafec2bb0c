"""Files are read in the background, while others are stored."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from harvester.browse.index import SpectraIndex
from harvester.browse.reading import FileReader
from harvester.ledger.overview import COLUMNS


def test_what_is_stored_while_a_batch_is_read_around_it_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    index = SpectraIndex()
    values = dict.fromkeys(COLUMNS)
    index.add(
        tuple({**values, "did": f"ivo://x/{name}", "status": status}.values())
        for name, status in (("a", "saved"), ("b", "missing"), ("c", "saved"))
    )
    reading, go_on = threading.Event(), threading.Event()
    read: list[int] = []

    def slowly(_: FileReader, rows: list[tuple[int, str, str]]) -> None:
        reading.set()
        assert go_on.wait(10)
        read.extend(number for number, _, _ in rows)

    monkeypatch.setattr(FileReader, "_read", slowly)
    reader = FileReader(cast("Any", None), index, cast("Any", None))
    batch = threading.Thread(target=reader.read_more)
    batch.start()
    assert reading.wait(10)
    arrival = threading.Thread(target=reader.read_again, args=(2, "ivo://x/b", ""))
    arrival.start()
    arrival.join(0.05)
    go_on.set()
    for thread in (batch, arrival):
        thread.join(10)
    assert read == [1, 3, 2]
    index.close()
