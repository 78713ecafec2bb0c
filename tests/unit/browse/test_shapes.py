"""Neighbours by shape: spectra of one kind are near each other, and those among strangers are doubtful."""

from __future__ import annotations

import numpy as np

from harvester.browse.shapes import Shapes, compressed, doubts, unusual
from harvester.dataset.h_alpha import OFFSETS, Rows


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
    every = np.sqrt(((compared[:, None] - compared[None]) ** 2).sum(axis=2))
    np.fill_diagonal(every, np.inf)
    found = shapes_of(rows).nearest(10, 3)
    assert [number - 10 for number, _ in found] == np.argsort(every[0])[:3].tolist()
    np.testing.assert_allclose([distance for _, distance in found], np.sort(every[0])[:3], rtol=1e-5)


def test_more_spectra_than_room_was_made_for() -> None:
    shapes = shapes_of(lines(2100, 1.0))
    assert len(shapes) == 2100
    np.testing.assert_array_equal(shapes.rows, lines(2100, 1.0))
    shapes.add(10, lines(1, -0.3)[0])
    assert len(shapes) == 2100, "a spectrum that is read again replaces its shape"


def test_a_wrong_label_is_the_most_doubtful() -> None:
    rows = np.concatenate([lines(30, 2.0), lines(30, -0.5, 2)])
    labels = ["0"] * 30 + ["1"] * 30
    labels[7] = "1"
    doubt = doubts(rows, labels)
    assert int(doubt.argmax()) == 7
    assert doubt[7] == 1.0
    assert np.delete(doubt, 7).max() < 0.5


def test_without_a_label_doubt_is_how_the_votes_are_divided() -> None:
    rows = np.concatenate([lines(30, 2.0), lines(30, -0.5, 2), lines(1, 2.0, 3), lines(1, 0.35, 4)])
    doubt = doubts(rows, ["0"] * 30 + ["1"] * 30 + ["", ""])
    assert doubt[60] == 0.0
    assert np.isfinite(doubt).all()
    mixed = doubts(lines(41, 1.0), ["0", "1"] * 20 + [""])
    assert mixed[40] > 0.5


def test_nothing_is_doubtful_without_labels() -> None:
    assert np.isnan(doubts(lines(5, 1.0), [""] * 5)).all()
    assert np.isnan(doubts(lines(5, 1.0), ["1", "", "", "", ""])).all(), "one voter is no vote"
    assert doubts(np.empty((0, OFFSETS.size), np.float32), []).size == 0


def test_the_odd_one_out_is_the_most_unusual() -> None:
    rows = np.concatenate([lines(20, 1.0), lines(1, -0.4)])
    assert int(np.nanargmax(unusual(rows, ["0"] * 21))) == 20
