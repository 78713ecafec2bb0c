"""Write the FITS files of the demo archive, card for card as DaCHS 2.7 does.

FITS 4.0; Spectrum DM 1.1, section 8. A file is an empty primary HDU and one binary table ``D,D`` (wavelength in
Angstrom, flux). The code is independent of all code that checks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np

from .observations import PUBLISHED, SyntheticObservation
from .synthesis import Calibration, SyntheticSpectrum, synthesize

BLOCK = 2880
_PIXEL = np.dtype([("spectral", ">f8"), ("flux", ">f8")])
_LONGEST_VALUE = 67  # characters that one card holds between its quotes beside the & of a long string

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Cutout:
    """Inclusive limits on the stored axis, in metres."""

    low: float
    high: float


def card(keyword: str, value: Value, comment: str = "") -> str:
    """Return one card of 80 characters, or several if a string needs CONTINUE.

    FITS 4.0, section 4.2.1.2.
    """
    if isinstance(value, str):
        escaped = value.replace("'", "''")
        if len(escaped) > _LONGEST_VALUE + 1:
            return _long_card(keyword, value)
        text = f"'{escaped:8}'"
        text = f"{text:20}" if comment else text
    else:
        text = f"{_number(value):>20}"
    return f"{keyword:8}= {text}{f' / {comment}' if comment else ''}".ljust(80)[:80]


def _number(value: float) -> str:
    """Return a number in at most 16 digits and 20 characters, as astropy 5 writes it."""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int):
        return str(value)
    text = f"{value:.16G}"
    mantissa, e, exponent = text.partition("E")
    if "." not in mantissa:
        mantissa += ".0"
    return mantissa[: 20 - len(e + exponent)] + e + exponent


def _long_card(keyword: str, value: str) -> str:
    pieces = [""]
    for character in value.replace("'", "\0"):
        # A doubled quote must stay in one card, so it counts as one character until the end.
        width = len(pieces[-1]) + pieces[-1].count("\0") + (2 if character == "\0" else 1)
        if width > _LONGEST_VALUE:
            pieces.append("")
        pieces[-1] += character
    texts = [piece.replace("\0", "''") for piece in pieces]
    heads = [f"{keyword:8}= ", *["CONTINUE  "] * (len(texts) - 1)]
    tails = ["&'"] * (len(texts) - 1) + ["'"]
    return "".join(f"{head}'{text}{tail}".ljust(80) for head, text, tail in zip(heads, texts, tails, strict=True))


def header(*cards: str) -> bytes:
    """Return a header of whole blocks, END included."""
    text = "".join(cards) + "END".ljust(80)
    return text.encode("ascii").ljust(-(-len(text) // BLOCK) * BLOCK)


def blocks(data: bytes) -> bytes:
    """Return ``data`` padded with zeros to whole blocks."""
    return data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


_TABLE = "".join(
    [
        card("XTENSION", "BINTABLE", "binary table extension"),
        card("BITPIX", 8, "array data type"),
        card("NAXIS", 2, "number of array dimensions"),
        card("NAXIS1", _PIXEL.itemsize, "length of dimension 1"),
    ]
)
_COLUMNS = "".join(
    [
        card("PCOUNT", 0, "number of group parameters"),
        card("GCOUNT", 1, "number of groups"),
        card("TFIELDS", 2, "number of table fields"),
        card("TTYPE1", "spectral", "Air wavelength"),
        card("TFORM1", "D"),
        card("TUNIT1", "Angstrom"),
        card("TTYPE2", "flux", "Relative flux"),
        card("TFORM2", "D"),
    ]
)
_COUNTS_UNIT = card("TUNIT2", "count")
_MEANING = "".join(
    [
        card("TUTYP1", "spec:spectrum.data.spectralaxis.value"),
        card("TUTYP2", "spec:spectrum.data.fluxaxis.value"),
        card("TCOMM1", "Air wavelength"),
        card("TCOMM2", "Relative flux"),
    ]
)
_PUBLISHED = card("VODATE", PUBLISHED) + card("SPECBAND", "Optical")
_STAR = card("SRCCLASS", "star")
_APERTURE = card("APERTURE", 0.000167, "[deg]")
_SYSTEM = "".join(
    [
        card("VOCLASS", "Spectrum-1.0"),
        card("RADECSYS", "ICRS"),
        card("SPECSDIM", "Angstrom"),
        card("VOSEGT", "Spectrum"),
        card("VOPUB", "ivo://asu.cas.cz/org"),
        card("DSSOURCE", "pointed"),
        card("CRETYPE", "archival"),
    ]
)
_SPECTRAL_CALIBRATION = card("SPEC_CAL", "ABSOLUTE")


def cut(spectrum: SyntheticSpectrum, cutout: Cutout) -> SyntheticSpectrum:
    """Return the pixels whose wavelength is within the limits, inclusive; there may be none."""
    first = int(np.searchsorted(spectrum.wave, cutout.low * 1e10, side="left"))
    last = int(np.searchsorted(spectrum.wave, cutout.high * 1e10, side="right"))
    return SyntheticSpectrum(spectrum.wave[first:last], spectrum.flux[first:last])


def spectrum_fits(
    observation: SyntheticObservation,
    calibration: Calibration,
    spectrum: SyntheticSpectrum | None = None,
    *,
    was_cut: bool = False,
    today: date | None = None,
) -> bytes:
    """Return the file of ``spectrum`` or its cutout, as if written on the UTC day ``today``."""
    spectrum = synthesize(observation, calibration) if spectrum is None else spectrum
    pixels = np.empty(spectrum.wave.size, _PIXEL)
    pixels["spectral"], pixels["flux"] = spectrum.wave, spectrum.flux
    cards = _table_cards(observation, calibration, _coverage(observation, spectrum, was_cut), pixels.size)
    return _primary(today or datetime.now(UTC).date()) + header(cards) + blocks(pixels.tobytes())


@lru_cache(maxsize=4)
def _primary(day: date) -> bytes:
    return header(
        card("SIMPLE", True, "conforms to FITS standard"),
        card("BITPIX", 8, "array data type"),
        card("NAXIS", 0, "number of array dimensions"),
        card("EXTEND", True, "More exts following"),
        card("DATE", day.isoformat(), "Date file was written"),
    )


def _coverage(
    observation: SyntheticObservation, spectrum: SyntheticSpectrum, was_cut: bool
) -> tuple[float, float, float, float]:
    """Return middle, width and limits in metres, of the cutout or in a database's precision."""
    if was_cut and spectrum.wave.size:
        low, high = float(spectrum.wave[0]) / 1e10, float(spectrum.wave[-1]) / 1e10
        return (low + high) / 2, high - low, low, high
    low, high = (limit * 1e-10 for limit in observation.wave_limits)
    middle, width, low, high = (float(str(np.float32(x))) for x in ((low + high) / 2, high - low, low, high))
    return middle, width, low, high


def _table_cards(
    observation: SyntheticObservation, calibration: Calibration, coverage: tuple[float, float, float, float], rows: int
) -> str:
    star = observation.star
    return "".join(
        [
            _TABLE,
            card("NAXIS2", rows, "length of dimension 2"),
            _COLUMNS,
            _COUNTS_UNIT if calibration is Calibration.UNCALIBRATED else "",
            _MEANING,
            card("TITLE", observation.accref),
            card("DS_IDPUB", observation.did),
            card("DATE", observation.written.isoformat()),
            _PUBLISHED,
            card("OBJECT", star.name),
            _STAR,
            card("RA", star.ra),
            card("DEC", star.dec),
            _APERTURE,
            card("TMID", observation.mid_time, "[d]"),
            card("TELAPSE", observation.exposure, "[s]"),
            *(
                card(key, x, "[m]")
                for key, x in zip(("SPEC_VAL", "SPEC_BW", "TDMIN1", "TDMAX1"), coverage, strict=True)
            ),
            card("DATALEN", observation.points),
            _SYSTEM,
            card("FLUX_CAL", "RELATIVE" if calibration is Calibration.RELATIVE else "UNCALIBRATED"),
            _SPECTRAL_CALIBRATION,
        ]
    )


def original_size(observation: SyntheticObservation) -> int:
    """Return the size of that file in bytes."""
    return BLOCK + -(-4 * observation.points // BLOCK) * BLOCK


def original_fits(observation: SyntheticObservation) -> bytes:
    """Return the file behind ``getproduct``.

    The telescope's reduced image, counts as 32-bit floats on one axis.
    """
    spectrum = synthesize(observation, Calibration.UNCALIBRATED)
    cards = header(
        card("SIMPLE", True, "conforms to FITS standard"),
        card("BITPIX", -32, "array data type"),
        card("NAXIS", 1, "number of array dimensions"),
        card("NAXIS1", observation.points, "length of dimension 1"),
        card("OBJECT", observation.star.name),
        card("EXPTIME", observation.exposure, "[s]"),
        card("CTYPE1", "LINEAR"),
        card("CRPIX1", 1.0),
        card("CRVAL1", observation.first, "[Angstrom]"),
        card("CDELT1", observation.step, "[Angstrom]"),
    )
    return cards + blocks(spectrum.flux.astype(">f4").tobytes())
