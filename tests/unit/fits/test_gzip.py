"""Files that archives keep packed: what is whole is unpacked whole, what is not is refused by its kind, and kept."""

from __future__ import annotations

import gzip
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.fits.gzip import GzipError, decompress
from harvester.model.failures import FailureKind, FetchError
from tests.integration.test_client import ask, ok, serving
from tests.support.fits_files import refused, spectrum_file

FILE = spectrum_file()
PACKED = gzip.compress(FILE)
BROKEN = [
    pytest.param(PACKED[:-9], FailureKind.TRUNCATED, id="cut in its trailer"),
    pytest.param(PACKED[:10], FailureKind.TRUNCATED, id="a header alone"),
    pytest.param(PACKED + b"<html>Back on Monday</html>", FailureKind.TRAILING_BYTES, id="a page behind it"),
    pytest.param(PACKED[:-6] + b"\1\2\3\4\5\6", FailureKind.MALFORMED_FITS, id="another checksum"),
]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.integers(0, 512))
def test_all_members_are_unpacked_and_zeros_behind_them_are_padding(parts: list[bytes], zeros: int) -> None:
    packed = b"".join(map(gzip.compress, parts)) + b"\0" * zeros
    assert decompress(packed, 1000) == b"".join(parts)


@given(st.integers(1, 200))
def test_a_file_ends_nowhere_but_at_its_end(short: int) -> None:
    with pytest.raises(GzipError) as broken:
        decompress(PACKED[:-short], 1 << 20)
    assert broken.value.kind is FailureKind.TRUNCATED


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(GzipError) as broken:
        decompress(gzip.compress(bytes(50_000_000)), 100_000)
    assert broken.value.kind is FailureKind.TOO_LARGE
    assert decompress(gzip.compress(bytes(100_000)), 100_000) == bytes(100_000)


def test_a_file_of_nothing_but_ends_is_refused_before_it_costs_time() -> None:
    with pytest.raises(GzipError, match="more than 1 000 members") as broken:
        decompress(gzip.compress(b"") * 100_000, 1 << 20)
    assert broken.value.kind is FailureKind.MALFORMED_FITS
    blocks = b"".join(gzip.compress(bytes(60_000)) for _ in range(200))
    assert decompress(blocks, 12_000_000) == bytes(12_000_000), "a block gzip is none"


def test_a_member_may_be_longer_than_what_is_read_at_once() -> None:
    noise = Random(1).randbytes(300_000)
    assert decompress(gzip.compress(noise) * 2, 600_000) == noise * 2


@pytest.mark.parametrize("kind", ["application/gzip", "image/fits", "text/plain"])
async def test_a_packed_file_comes_as_fits_whatever_it_is_called(kind: str) -> None:
    async with serving(ok(PACKED, f"Content-Type: {kind}", length=len(PACKED))) as served:
        assert (await ask(served))[0].body == FILE


async def test_a_packed_file_may_be_packed_once_more_on_the_way() -> None:
    twice = gzip.compress(PACKED)
    async with serving(ok(twice, "Content-Encoding: gzip", length=len(twice))) as served:
        assert (await ask(served))[0].body == FILE


async def test_what_was_packed_on_the_way_may_have_several_members() -> None:
    packed = gzip.compress(FILE[:4000]) + gzip.compress(FILE[4000:])
    async with serving(ok(packed, "Content-Encoding: gzip", length=len(packed))) as served:
        assert (await ask(served))[0].body == FILE


@pytest.mark.parametrize(("body", "kind"), BROKEN)
async def test_what_is_not_whole_reaches_the_gates_as_it_came_and_is_refused_there(
    body: bytes, kind: FailureKind
) -> None:
    async with serving(ok(body, length=len(body))) as served:
        fetched, _, _ = await ask(served)
    assert fetched.body == body, "for quarantine"
    assert refused(fetched.body).kind is kind


async def test_a_bomb_ends_the_attempt() -> None:
    bomb = gzip.compress(bytes(5_000_000))
    async with serving(ok(bomb, length=len(bomb))) as served:
        with pytest.raises(FetchError) as caught:
            await ask(served)
    assert caught.value.failure.kind is FailureKind.TOO_LARGE
