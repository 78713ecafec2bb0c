"""Files are read in the background, while others are stored."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from harvester.browse.index import SpectraIndex
from harvester.browse.reading import FileReader
from harvester.dataset.h_alpha import around_h_alpha
from harvester.fits.observation import Observation
from harvester.fits.spectrum import Array, Spectrum
from harvester.ledger.overview import COLUMNS
from harvester.readers.votable_cards import VotableCards


def test_what_is_stored_while_a_batch_is_read_around_it_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    index = SpectraIndex()
    values = dict.fromkeys(COLUMNS)
    index.add(
        tuple({**values, "did": f"ivo://x/{name}", "status": status}.values())
        for name, status in (("a", "saved"), ("b", "missing"), ("c", "saved"))
    )
    reading, go_on = threading.Event(), threading.Event()
    read: list[int] = []

    def slowly(_: FileReader, rows: list[tuple[int, str]]) -> None:
        reading.set()
        assert go_on.wait(10)
        read.extend(number for number, _ in rows)

    monkeypatch.setattr(FileReader, "_read", slowly)
    reader = FileReader(cast("Any", None), index, cast("Any", None))
    batch = threading.Thread(target=reader.read_more)
    batch.start()
    assert reading.wait(10)
    arrival = threading.Thread(target=reader.read_again, args=(2, "ivo://x/b"))
    arrival.start()
    arrival.join(0.05)
    go_on.set()
    for thread in (batch, arrival):
        thread.join(10)
    assert read == [1, 3, 2]
    index.close()


def test_a_spectrum_that_is_not_read_yet_has_neighbours_among_those_that_are() -> None:
    """Of a harvest that is larger than what is read, every spectrum that is opened has neighbours."""
    reader = FileReader(cast("Any", None), cast("Any", None), cast("Any", None))
    wave = np.linspace(6500, 6620, 400)
    for number, height in ((1, 2.0), (2, -0.5), (3, 1.9)):
        row = around_h_alpha(spectrum_with(wave, height), 6562.8)
        assert row is not None
        reader.shapes.add(number, row)
    assert [number for number, _ in reader.neighbours(99, 2, spectrum_with(wave, 2.0))] == [1, 3]
    assert reader.neighbours(99, 2) == []
    assert reader.neighbours(99, 2, spectrum_with(wave - 1000, 2.0)) == [], "it has no H-alpha"


def spectrum_with(wave: Array, height: float) -> Spectrum:
    flux = 1 + height * np.exp(-0.5 * ((wave - 6562.8) / 3) ** 2)
    return Spectrum(wave, "Angstrom", flux, "", 1, VotableCards({}), VotableCards({}))


def test_spectra_of_one_star_are_one_also_where_a_later_one_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names, then a spectrum that has the name of one and the position of the other."""
    observed = {
        "ivo://x/a": Observation("Vega", 279.2, 38.8),
        "ivo://x/b": Observation("Alpha Lyr", 10.0, 10.0),
        "ivo://x/c": Observation("Deneb", 310.4, 45.3),
        "ivo://x/d": Observation("Vega", 10.0, 10.0),
    }
    index = SpectraIndex()
    values = dict.fromkeys(COLUMNS)
    index.add(tuple({**values, "did": did, "status": "saved"}.values()) for did in observed)
    spectrum = spectrum_with(np.linspace(5000, 5100, 10), 1.0)
    monkeypatch.setattr(FileReader, "_spectrum", lambda _, did: replace(spectrum, flux_unit=did))
    monkeypatch.setattr("harvester.browse.reading.observation_of", lambda one: observed[one.flux_unit])
    for batch in (1, 100):
        monkeypatch.setattr("harvester.browse.reading.BATCH", batch)
        reader = FileReader(cast("Any", None), index, cast("Any", None))
        while reader.read_more():
            pass
        stars = [index.row(number)["star"] for number in range(1, 5)]
        assert stars[0] == stars[1] == stars[3] != stars[2]
        assert index.same_star(1, stars[0], 9) == [2, 4]
        index.clear("star")
    index.close()
