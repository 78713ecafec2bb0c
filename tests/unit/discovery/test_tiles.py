"""Parts of a list: together they are all of it, and their halves are theirs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.discovery.tiles import EVERYWHERE, BandPart, SkyTile, TimePart, separation, sky_tiles
from harvester.vo.constraints import Constraints

DIRECTIONS = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))


def is_inside(tile: SkyTile, ra: float, dec: float) -> bool:
    sent = tile.constrain(Constraints())
    assert sent.position
    return separation(*sent.position, ra, dec) <= sent.size / 2


@pytest.mark.parametrize("largest", [5.0, 10.0, 33.0, 90.0, 180.0, 360.0])
def test_no_tile_is_larger_than_allowed(largest: float) -> None:
    tiles = list(sky_tiles(largest))
    assert all(tile.size <= largest for tile in tiles)
    area = 129600 / math.pi / (largest * largest / 2)
    assert len(tiles) <= 6 + 3 * area, "not many more than are needed"


@given(DIRECTIONS, st.sampled_from([7.0, 33.0, 90.0, 180.0]))
def test_every_direction_is_in_a_tile(direction: tuple[float, float], largest: float) -> None:
    assert any(is_inside(tile, *direction) for tile in sky_tiles(largest))


@given(DIRECTIONS, st.integers(0, 5))
def test_every_direction_is_in_a_part_of_its_tile(direction: tuple[float, float], depth: int) -> None:
    tile = EVERYWHERE
    ra, dec = (direction[0] + 180) % 360 - 180, direction[1]
    for _ in range(depth):
        tile = next(it for it in tile.divide() if it.west <= ra <= it.east and it.south <= dec <= it.north)
        assert is_inside(tile, ra, dec)


def test_the_whole_sky_is_requested_as_services_understand_it() -> None:
    assert EVERYWHERE.constrain(Constraints()).parameters() == {"POS": "0.0,0.0", "SIZE": "360.0"}


def test_parts_end_where_they_are_too_small() -> None:
    assert SkyTile(0, 1e-4, 0, 1e-4).divide() == ()
    assert TimePart(55000, 55000.0001).divide() == ()
    assert BandPart(5e-7, 5.0001e-7).divide() == ()


def test_halves_of_time_meet_in_a_moment_that_both_have() -> None:
    first, second = TimePart().divide()
    assert first.stop == second.start
    assert (first.start, second.stop) == (-math.inf, math.inf)
    assert first.constrain(Constraints()).parameters() == {"TIME": "/1974-06-10T12:00:00"}
    assert second.divide()[0].constrain(Constraints(target="Vega")).parameters()["TARGETNAME"] == "Vega"


def test_halves_of_a_band_meet_too() -> None:
    first, second = BandPart().divide()
    assert first.high == second.low
    assert first.constrain(Constraints()).parameters() == {"BAND": f"/{first.high!r}"}


@given(st.floats(-4000, 90000), st.integers(1, 20))
def test_every_moment_is_in_a_half(moment: float, depth: int) -> None:
    part = TimePart()
    for _ in range(depth):
        halves = [each for each in part.divide() if each.start <= moment <= each.stop]
        assert halves
        part = halves[0]
