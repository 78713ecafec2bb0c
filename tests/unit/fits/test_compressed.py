"""Tile-compressed images are those that astropy decompresses; damaged ones are refused in bounded time."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from harvester.fits.errors import InvalidSpectrumError
from harvester.fits.reader import read_spectrum
from harvester.fits.rice import RiceError, decode_rice
from tests.support.spectral_files import written

SCALE = fits.Header([("CRVAL1", 5000.0), ("CDELT1", 0.5), ("CRPIX1", 1.0), ("CUNIT1", "Angstrom")])


def compressed(data: Any, algorithm: str, **more: Any) -> bytes:
    return written(fits.PrimaryHDU(), fits.CompImageHDU(data, SCALE, compression_type=algorithm, **more))


@given(
    st.sampled_from(["RICE_1", "GZIP_1", "GZIP_2", "NOCOMPRESS"]),
    st.sampled_from(["u1", "i2", "i4", "f4", "f8"]),
    st.integers(2, 300),
    st.sampled_from([None, (1, 32), (1, 97)]),
    st.integers(0, 1000),
)
def test_all_kinds_of_numbers_are_as_astropy_has_them(
    algorithm: str, kind: str, points: int, tile: tuple[int, int] | None, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(0, 30, points).cumsum()
    data = (values - values.min() if kind == "u1" else values).clip(-30_000, 250 if kind == "u1" else 30_000)
    options: dict[str, Any] = {} if tile is None else {"tile_shape": tile}
    if kind.startswith("f"):
        options |= {"quantize_method": -1}
    body = compressed(data.astype(kind).reshape(1, points), algorithm, **options)
    with fits.open(io.BytesIO(body)) as hdus:
        theirs = hdus[1].data.reshape(-1)
    if theirs.any():
        np.testing.assert_array_equal(read_spectrum(body).flux.astype(theirs.dtype), theirs)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (compressed(np.ones((16, 16), np.int32), "HCOMPRESS_1"), "ZCMPTYPE = 'HCOMPRESS_1'"),
        (compressed(np.arange(300, dtype="f4").reshape(1, 300) ** 1.1, "RICE_1", quantize_method=1), "is dithered"),
        (compressed(np.arange(300, dtype="i4")[np.newaxis], "GZIP_1").replace(b"\x1f\x8b", b"\x1f\x00"), "is damaged"),
        (
            compressed(np.arange(300, dtype="i4")[np.newaxis], "RICE_1").replace(
                b"ZNAXIS1 =                  300", b"ZNAXIS1 =            999999999"
            ),
            "ZNAXIS1 = 999999999",
        ),
    ],
)
def test_what_is_not_decompressed_is_refused_in_words(body: bytes, words: str) -> None:
    with pytest.raises(InvalidSpectrumError, match=words):
        read_spectrum(body)


@given(st.binary(max_size=300), st.integers(1, 500), st.sampled_from([1, 2, 3, 4]), st.sampled_from([0, 16, 32]))
def test_any_bytes_are_decoded_or_refused(data: bytes, count: int, size: int, block: int) -> None:
    try:
        assert decode_rice(data, count, size, block).shape == (count,)
    except RiceError as error:
        assert str(error).isprintable()  # noqa: PT017 - both outcomes are right, whatever the bytes
