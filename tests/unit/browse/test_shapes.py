"""Neighbours by shape: spectra of one kind are near each other, and those among strangers are doubtful."""

from __future__ import annotations

import numpy as np
import pytest

from harvester.browse.shapes import Shapes, compressed, doubts, unusual
from harvester.dataset.h_alpha import OFFSETS, Rows
from harvester.report.data.gallery import distances


def lines(count: int, height: float, seed: int = 1) -> Rows:
    """Made-up spectra with one line of this height, each with its own noise."""
    noise = np.random.Generator(np.random.PCG64(seed)).normal(0, 0.01, (count, OFFSETS.size))
    rows: Rows = (1 + height * np.exp(-0.5 * (OFFSETS / 3) ** 2) + noise).astype(np.float32)
    return rows


def shapes_of(rows: Rows) -> Shapes:
    shapes = Shapes()
    for number, row in enumerate(rows):
        shapes.add(10 + number, row)
    return shapes


def test_the_nearest_spectra_are_of_the_same_kind() -> None:
    shapes = shapes_of(np.concatenate([lines(6, 2.0), lines(6, -0.5, 2)]))
    near = shapes.nearest(12, 5)
    assert sorted(number for number, _ in near) == [10, 11, 13, 14, 15]
    assert [distance for _, distance in near] == sorted(distance for _, distance in near)
    assert shapes.nearest(999, 5) == []


def test_distances_are_those_of_all_pairs() -> None:
    rows = np.concatenate([lines(20, 1.0), lines(20, 0.2, 5)])
    compared = compressed(rows).astype(float)
    np.testing.assert_allclose(compared, np.arcsinh((rows[:, ::2] - 1) / 0.3), rtol=1e-3, atol=1e-6)
    every = np.sqrt(((compared[:, None] - compared[None]) ** 2).sum(axis=2))
    np.fill_diagonal(every, np.inf)
    found = shapes_of(rows).nearest(10, 3)
    assert [number - 10 for number, _ in found] == np.argsort(every[0])[:3].tolist()
    np.testing.assert_allclose([distance for _, distance in found], np.sort(every[0])[:3], rtol=1e-5)


def test_more_spectra_than_room_was_made_for() -> None:
    shapes = shapes_of(lines(2100, 1.0))
    assert len(shapes) == 2100
    np.testing.assert_array_equal(shapes.compared, compressed(lines(2100, 1.0)))
    assert list(shapes.numbers) == list(range(10, 2110))
    shapes.add(10, lines(1, -0.3)[0])
    assert len(shapes) == 2100, "a spectrum that is read again replaces its shape"


def test_a_wrong_label_is_the_most_doubtful() -> None:
    rows = np.concatenate([lines(30, 2.0), lines(30, -0.5, 2)])
    labels = ["0"] * 30 + ["1"] * 30
    labels[7] = "1"
    doubt = doubts(compressed(rows), labels)
    assert int(doubt.argmax()) == 7
    assert doubt[7] == 1.0
    assert np.delete(doubt, 7).max() < 0.5


def test_without_a_label_doubt_is_how_the_votes_are_divided() -> None:
    rows = np.concatenate([lines(30, 2.0), lines(30, -0.5, 2), lines(1, 2.0, 3), lines(1, 0.35, 4)])
    doubt = doubts(compressed(rows), ["0"] * 30 + ["1"] * 30 + ["", ""])
    assert doubt[60] == 0.0
    assert np.isfinite(doubt).all()
    mixed = doubts(compressed(lines(41, 1.0)), ["0", "1"] * 20 + [""])
    assert mixed[40] > 0.5


def test_nothing_is_doubtful_without_labels() -> None:
    five = compressed(lines(5, 1.0))
    assert np.isnan(doubts(five, [""] * 5)).all()
    assert np.isnan(doubts(five, ["1", "", "", "", ""])).all(), "one voter is no vote"
    assert doubts(five[:0], []).size == 0


def test_the_odd_one_out_is_the_most_unusual() -> None:
    rows = np.concatenate([lines(20, 1.0), lines(1, -0.4)])
    found = unusual(compressed(rows), ["0"] * 21)
    assert int(np.nanargmax(found)) == 20
    np.testing.assert_allclose(found, distances(rows[:, ::2], ["0"] * 21), rtol=2e-2)


def test_a_spectrum_without_a_shape_has_neighbours_too() -> None:
    rows = np.concatenate([lines(6, 2.0), lines(6, -0.5, 2)])
    shapes = shapes_of(rows)
    assert shapes.nearest_to(rows[8], 3)[0] == (18, 0.0)
    assert shapes.nearest_to(rows[8], 3)[1:] == shapes.nearest(18, 2)
    assert Shapes().nearest_to(rows[8], 3) == []


def test_row_numbers_far_apart_cost_no_time_and_rank_as_all_others() -> None:
    shapes = Shapes()
    for number, row in zip((5, 900_000, 7), lines(3, 1.0), strict=True):
        shapes.add(number, row)
    assert sorted(number for number, _ in shapes.nearest(5, 9)) == [7, 900_000]
    assert shapes.nearest(6, 9) == []


def test_many_spectra_are_judged_by_fewer_voters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million spectra take seconds; a wrong label is as doubtful by a tenth of the votes."""
    rows = compressed(np.concatenate([lines(300, 2.0), lines(300, -0.5, 2)]))
    labels = ["0"] * 300 + ["1"] * 300
    labels[7] = "1"
    whole = doubts(rows, labels)
    monkeypatch.setattr("harvester.browse.shapes.MOST_PAIRS", 600 * 60)
    monkeypatch.setattr("harvester.browse.shapes.LEAST_VOTERS", 10)
    fewer = doubts(rows, labels)
    assert whole[7] == fewer[7] == 1.0
    assert np.delete(fewer, 7).max() < 0.5
