"""Turn Quantities, SkyCoord and other values of Python into settings and constraints.

A value that is none of the accepted ones raises UsageError with one sentence that names the argument.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

from ..errors import UsageError
from ..model.band import parse_band
from ..vo.constraints import Constraints, parse_position, parse_time

DEFAULT_SIZE = 0.1  # degrees, as on the command line


def setting_text(name: str, value: object) -> object:
    """Return the value of the setting ``name`` as a settings file has it."""
    if name == "band":
        return band_text(value)
    if value is None:
        return "none"
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def band_text(value: object) -> str:
    """Return two wavelengths, as Quantities or metres, in the form of the setting ``band``.

    None is an open end.
    """
    from astropy.units import Quantity, UnitConversionError

    if value is None or isinstance(value, str):
        return value or "none"
    try:
        low, high = cast("Sequence[Any]", value)
        limits = [None if limit is None else float(Quantity(limit, "m").value) for limit in (low, high)]
    except (TypeError, ValueError, UnitConversionError) as error:
        raise UsageError(
            f"band: {value!r} are not two wavelengths, such as (6500 * u.AA, 6600 * u.AA) ({error})"
        ) from None
    ends = ["-Inf" if limits[0] is None else f"{limits[0]:.15g}", "+Inf" if limits[1] is None else f"{limits[1]:.15g}"]
    return " ".join(ends)


def constraints_from_python(pos: object, size: object, band: object, time: object, target: str) -> Constraints:
    """Return the constraints of a listing.

    pos: a SkyCoord in any frame, ``"RA DEC"``, or two numbers (degrees, ICRS). size: diameter, as a Quantity or in
    degrees. band: as ``band_text``. time: two Time, or dates in ISO 8601; None is an open end.
    """
    if pos is None and size is not None:
        raise UsageError(f"size = {size!r}: the size of a circle needs a position; give one with pos=SkyCoord(...)")
    limits = None if band is None else _parsed("band", band, parse_band, band_text(band))
    when = None if time is None else _parsed("time", time, parse_time, _time_text(time))
    return Constraints(_position(pos), _degrees(size), target, band=limits, time=when)


def _position(pos: Any) -> tuple[float, float] | None:
    if pos is None:
        return None
    icrs = getattr(pos, "icrs", None)  # a frame that needs a time and a place has none without them
    if icrs is not None:
        if not pos.isscalar:
            raise UsageError(f"pos: {len(pos)} positions are given; give one SkyCoord")
        text = f"{icrs.ra.deg} {icrs.dec.deg}"  # NaN is no position
    else:
        text = pos if isinstance(pos, str) else " ".join(map(str, pos)) if isinstance(pos, Sequence) else repr(pos)
    found: tuple[float, float] = _parsed("pos", pos, parse_position, text)
    return found


def _degrees(size: object) -> float:
    from astropy.units import Quantity, UnitConversionError

    if size is None:
        return DEFAULT_SIZE
    try:
        degrees = float(Quantity(size, "deg").value)
    except (TypeError, ValueError, UnitConversionError) as error:
        raise UsageError(f"size = {size!r}: no angle, such as 10 * u.arcmin ({error})") from None
    if not 0 < degrees <= 360:
        raise UsageError(f"size = {size!r}: a diameter above 0 and at most 360 degrees is expected")
    return degrees


def _time_text(time: Any) -> str:
    if isinstance(time, str):
        return time
    try:
        first, last = time
    except (TypeError, ValueError):
        raise UsageError(f"time = {time!r}: two times are expected, such as (Time('2010-01-01'), None)") from None
    return " ".join("-" if end is None else str(getattr(end, "isot", end)) for end in (first, last))


def _parsed(name: str, value: object, parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{name} = {value!r}: {error}") from None
