"""What every store promises, said of each kind: a folder, 256 folders, and objects in memory, files, two S3 servers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from harvester.errors import StoreError
from harvester.model.failures import FailureKind
from harvester.model.outcomes import Check, FailedCheck, Fetched
from harvester.model.target import SpectrumId, Target
from tests.support.stores import BUCKETS, KINDS, Place, Servers, place_of, ready, servers

__all__ = ["servers"]

BODY = b"x" * 2880
TARGET = Target(SpectrumId("ivo://a/b/one"), "one")
MANY = [Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}") for number in range(60)]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Place:
    return place_of(request.param, tmp_path, servers, monkeypatch)


async def test_what_was_put_is_there_whole_and_alone(place: Place) -> None:
    store = ready(place)
    async with store:
        await store.put(TARGET, BODY)
    assert store.sizes() == {"one": 2880}
    assert store.read("one") == place.at("one.fits") == BODY
    assert place.names() == {"one.fits"}


async def test_the_same_body_may_be_put_twice(place: Place) -> None:
    store = ready(place)
    async with store:
        await store.put(TARGET, BODY)
        await store.put(TARGET, BODY)
    assert place.names() == {"one.fits"}


async def test_a_refresh_replaces_what_is_there(place: Place) -> None:
    place.lay("one.fits", BODY)
    store = ready(place, replace=True)
    async with store:
        await store.put(TARGET, BODY * 2)
    assert store.sizes() == {"one": 5760}


async def test_many_at_once_are_each_answered_and_each_there(place: Place) -> None:
    store = ready(place)
    async with store:
        await asyncio.gather(*(store.put(target, target.name.encode() * 960) for target in MANY))
    assert set(store.sizes()) == {target.name for target in MANY}
    assert all(place.at(target.file_name) == target.name.encode() * 960 for target in MANY)


async def test_a_cancelled_put_is_whole_or_absent_and_leaves_nothing(place: Place) -> None:
    store = ready(place)
    async with store:
        tasks = [asyncio.create_task(store.put(target, BODY)) for target in MANY]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert set(store.sizes()) >= {target.name for target in MANY[1::2]}
    assert set(store.sizes().values()) == {2880}
    assert place.names() == {f"{name}.fits" for name in store.sizes()}


async def test_a_refused_body_is_kept_out_of_the_way_with_the_reason(place: Place) -> None:
    store = ready(place)
    fetched = Fetched(b"<html>", "http://archive/dlget", (("Server", "DaCHS"),))
    where = await store.quarantine(TARGET, fetched, FailedCheck(Check.STRUCTURE, FailureKind.NOT_FITS, "a page"))
    assert where == ".harvester/quarantine/one.not_fits.body"
    assert (store.state.home / where).read_bytes() == b"<html>"
    assert store.sizes() == {}


def test_only_fits_files_are_spectra(place: Place) -> None:
    store = ready(place)
    for name in ("one.fits", ".hidden.fits", "notes.txt", "other/two.fits", ".three.fits.host.1.ab.part"):
        place.lay(name, BODY)
    assert store.sizes() == {"one": 2880}


def test_what_is_no_spectrum_is_moved_to_quarantine_and_not_lost(place: Place) -> None:
    store = ready(place)
    place.lay("one.fits", b"no FITS")
    gone = Target(SpectrumId("ivo://a/b/gone"), "gone")
    store.quarantine_existing([TARGET, gone], "no sound spectrum", gate="structure")
    assert store.sizes() == {}
    assert place.at(".harvester/quarantine/one.suspect.body") == b"no FITS"
    reason = json.loads(place.at(".harvester/quarantine/one.suspect.json"))
    assert (reason["id"], reason["detail"], reason["gate"]) == (TARGET.did, "no sound spectrum", "structure")
    assert reason["bytes"] == 7


def test_what_is_not_there_cannot_be_read(place: Place) -> None:
    store = ready(place)
    with pytest.raises(FileNotFoundError):
        store.read("one")


def test_the_sums_lie_beside_the_spectra(place: Place) -> None:
    store = ready(place)
    store.write_sums([("one.fits", "ab" * 32)])
    store.write_sums([("one.fits", "cd" * 32), ("two.fits", "ef" * 32)])
    one, two = place.listed("one.fits"), place.listed("two.fits")
    assert place.at("SHA256SUMS").decode() == f"{'cd' * 32}  {one}\n{'ef' * 32}  {two}\n"
    assert place.names() == {"SHA256SUMS"}


async def test_where_it_can_be_written_there_is_room(place: Place) -> None:
    assert await ready(place).has_room(2880)


@pytest.mark.parametrize("place", BUCKETS, indirect=True)
async def test_a_bucket_gives_a_name_once_so_that_two_machines_cannot_undo_each_other(place: Place) -> None:
    ours, theirs = ready(place), ready(place)
    await theirs.put(TARGET, BODY)
    with pytest.raises(StoreError, match=r"one\.fits: another program has stored it"):
        await ours.put(TARGET, BODY * 2)
    assert place.at("one.fits") == BODY
