"""IRAF's own scales of wavelength.

Multispec has a dispersion for each row, in WAT2 cards (IRAF: help specwcs).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev, legendre

from ..formatting import plural
from .errors import unreadable
from .header import Header
from .spectrum import Array

MOST_ROWS = 500
_CARD_WIDTH = 68  # characters of a string card: IRAF breaks its text there, blanks at the end included
_MOST_CARDS = 999
_SPEC = re.compile(r'spec(\d+)\s*=\s*"([^"]*)"')
_UNIT = re.compile(r"\bunits=(\w+)")
_PIXELS = -1


@dataclass(frozen=True, slots=True)
class RowDispersion:
    """The wavelengths of one row.

    ``values``, shape (points,), of its first ``values.size`` pixels.
    """

    aperture: int
    values: Array


def system_of(header: Header) -> str:
    """Return IRAF's name of the coordinate system: linear, equispec, multispec or ''."""
    found = re.search(r"\bsystem=(\w+)", _joined_cards(header, "WAT0"))
    return found[1].lower() if found else ""


def unit_of(header: Header) -> str:
    """Return the unit that IRAF's cards name, '' if none; IRAF's own default is Angstrom."""
    found = _UNIT.search(_joined_cards(header, "WAT1"))
    return found[1] if found else ""


def multispec(header: Header, rows: int, points: int) -> list[RowDispersion]:
    """Return the wavelengths of each of ``rows`` rows.

    InvalidSpectrumError for dispersions that are not read.
    """
    if rows > MOST_ROWS:
        number = plural(rows, "row")
        raise unreadable(f"the image has {number} with dispersions in WAT2; at most {MOST_ROWS} are read")
    described = {int(number): text for number, text in _SPEC.findall(_joined_cards(header, "WAT2"))}
    missing = [row for row in range(1, rows + 1) if row not in described]
    if missing:
        raise unreadable(f"WAT2 has no dispersion of row {missing[0]} of {rows} (spec{missing[0]})")
    return [_row(header, row, described[row], points) for row in range(1, rows + 1)]


def _joined_cards(header: Header, stem: str) -> str:
    parts: list[str] = []
    while len(parts) < _MOST_CARDS and (card := header.get(f"{stem}_{len(parts) + 1:03}")) is not None:
        parts.append(str(card).ljust(_CARD_WIDTH))
    return "".join(parts)


def _row(header: Header, row: int, text: str, points: int) -> RowDispersion:
    """Return what ``text`` says.

    That is aperture, beam, type, first, step, points, redshift, aperture limits and functions.
    """
    try:
        numbers = [float(word) for word in text.split()]
        aperture, kind, count = int(numbers[0]), int(numbers[2]), int(numbers[5])
        first, step, redshift = numbers[3], numbers[4], numbers[6]
    except (ValueError, IndexError, OverflowError):
        raise unreadable(f"WAT2: spec{row} = {text[:60]!r} is not a dispersion of IRAF") from None
    if kind == _PIXELS:
        raise unreadable(f"WAT2: spec{row} has no dispersion (type -1): an axis of pixels, not of wavelengths")
    if not 0 < count <= points:
        raise unreadable(f"WAT2: spec{row} has {plural(count, 'point')}, but the image's rows have {points}")
    if not all(map(math.isfinite, numbers)) or redshift <= -1:
        raise unreadable(f"WAT2: spec{row} has numbers that are not a dispersion")
    pixel = _physical(header, count)
    with np.errstate(all="ignore"):
        match kind:
            case 0:
                values = first + step * (pixel - 1)
            case 1:
                values = np.power(10.0, first + step * (pixel - 1))
            case 2:
                values = _functions(row, numbers[9:], pixel)
            case _:
                raise unreadable(f"WAT2: spec{row} has the dispersion type {kind}; 0, 1 and 2 are read")
        return RowDispersion(aperture, values / (1 + redshift))


def _physical(header: Header, count: int) -> Array:
    """Return the pixels as IRAF counted them before the image was cut: LTV1, LTM1_1."""
    offset, factor = header.real("LTV1") or 0.0, header.real("LTM1_1") or 1.0
    return (np.arange(1, count + 1, dtype=np.float64) - offset) / factor


def _functions(row: int, numbers: list[float], pixel: Array) -> Array:
    """Return the weighted sum of Chebyshev or Legendre polynomials.

    Other functions are refused.
    """
    total, position = np.zeros(pixel.size), 0
    while position < len(numbers):
        try:
            weight, shift, function, order, low, high = numbers[position : position + 6]
            kind, terms = int(function), int(order)
        except (ValueError, OverflowError):
            raise unreadable(f"WAT2: spec{row} has an incomplete function of dispersion") from None
        if kind not in (1, 2):
            raise unreadable(f"WAT2: spec{row} has the function {kind}; Chebyshev (1) and Legendre (2) are read")
        coefficients = numbers[position + 6 : position + 6 + terms]
        if not 0 < terms <= 100 or len(coefficients) < terms or high == low:
            raise unreadable(f"WAT2: spec{row} has an incomplete function of dispersion")
        place = (pixel - (high + low) / 2) / ((high - low) / 2)
        polynomial = chebyshev.chebval if kind == 1 else legendre.legval
        total += weight * (shift + polynomial(place, coefficients))
        position += 6 + terms
    if not numbers:
        raise unreadable(f"WAT2: spec{row} is not linear, but has no function of dispersion")
    return total
