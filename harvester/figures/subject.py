"""What a picture of a spectrum says: names, units and dates from its header, made harmless. No drawing here.

A header's words come from a server: each is one printable line before it gets near a terminal or a figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ..spectra import SpectrumId
from ..verify import Header, Spectrum, metres
from ..words import plain_line

H_ALPHA_AIR, H_ALPHA_VACUUM = 6562.80, 6564.61  # Angstrom
LONGEST_NAME = 48  # characters of an object's name that a title has room for

_MJD_ZERO = datetime(1858, 11, 17)  # noqa: DTZ001 - FITS times carry no zone; only shown as UT
_EARLIEST, _LATEST = 0.0, 88_069.0  # MJD of the years 1858 and 2100; beyond them TMID is something else
_COUNTS = frozenset({"count", "counts", "ct", "adu"})


@dataclass(frozen=True, slots=True)
class Panel:
    """The spectrum under one FLUXCALIB (None: as served, without any), or why there is none.

    trouble: what the failure means, in our words; words: what the server, or the gate that it failed, says.
    """

    fluxcalib: str | None
    spectrum: Spectrum | None = None
    trouble: str = ""
    words: str = ""

    @property
    def heading(self) -> str:
        chosen = plain_line(self.fluxcalib or "", 40)
        return f"FLUXCALIB={chosen}" if chosen else "As served (no FLUXCALIB)"

    @property
    def flux_label(self) -> str:
        """The flux axis with its unit, or with what its numbers are relative to."""
        unit = plain_line(self.spectrum.flux_unit, 24) if self.spectrum else ""
        if unit:
            return f"Flux [{'counts' if unit.lower() in _COUNTS else unit}]"
        asked = (self.fluxcalib or "").lower()
        if asked == "normalized":
            return "Normalized flux (continuum = 1)"
        if asked == "relative" or (self.spectrum and self.spectrum.table.get("FLUX_CAL") == "RELATIVE"):
            return "Relative flux (maximum = 1)"
        return "Flux [unit not given]"


@dataclass(frozen=True, slots=True)
class Subject:
    """Which observation a picture shows. ``when`` is the middle of the exposure (UT), ``exposure`` in words."""

    did: str
    name: str = ""
    when: str = ""
    exposure: str = ""

    @property
    def title(self) -> str:
        return self.name or self.did.rpartition("/")[2]

    @property
    def details(self) -> str:
        """All but the title, in one line of plain ASCII."""
        return "  |  ".join(part for part in (self.did, self.when, self.exposure) if part)


def subject_of(did: SpectrumId, panels: tuple[Panel, ...]) -> Subject:
    """The observation that the first panel with a spectrum tells of."""
    shown = plain_line(did, 90)
    spectrum = next((panel.spectrum for panel in panels if panel.spectrum), None)
    if spectrum is None:
        return Subject(shown)
    name = spectrum.table.get("OBJECT") or spectrum.primary.get("OBJECT") or ""
    return Subject(shown, plain_line(str(name), LONGEST_NAME), _when(spectrum), _exposure(spectrum))


def _when(spectrum: Spectrum) -> str:
    """The middle of the exposure, from TMID (MJD): DATE is the day on which somebody wrote a file."""
    mjd = _number(spectrum, "TMID")
    if mjd is None or not _EARLIEST < mjd < _LATEST:
        return ""
    return f"{_MJD_ZERO + timedelta(days=mjd) + timedelta(seconds=30):%Y-%m-%d %H:%M} UT"


def _exposure(spectrum: Spectrum) -> str:
    seconds = _number(spectrum, "TELAPSE")
    return f"{seconds:.10g} s exposure" if seconds is not None and 0 < seconds < 1e7 else ""


def _number(spectrum: Spectrum, card: str) -> float | None:
    value = spectrum.table.get(card, spectrum.primary.get(card))
    if isinstance(value, (bool, str)) or value is None:
        return None
    return float(value) if math.isfinite(value) else None


def angstroms(spectrum: Spectrum) -> NDArray[np.float64]:
    """The wavelengths in Angstrom, in the file's order."""
    factor = metres(spectrum.unit)
    return spectrum.wave if factor == 1e-10 else spectrum.wave * (factor / 1e-10)


def medium(spectrum: Spectrum | None) -> str:
    """``Air``, ``Vacuum`` or nothing: where the header says the wavelengths were measured, or converted to."""
    if spectrum is None:
        return ""
    told = _told_of_axis(spectrum.table, spectrum.axis).lower()
    return next((name for name in ("Air", "Vacuum") if name.lower() in told.split()), "")


def _told_of_axis(header: Header, axis: int) -> str:
    """The words of the spectral column: its TCOMM card, and the comment behind its name, where DaCHS puts them."""
    keyword = f"TTYPE{axis}".encode().ljust(8)
    comments = [field.partition(b"/")[2].decode("ascii", "replace") for name, field in header.cards if name == keyword]
    return " ".join([*comments, str(header.get(f"TCOMM{axis}", ""))])


def wave_label(spectrum: Spectrum | None) -> str:
    """The wavelength axis with its unit."""
    return f"{medium(spectrum)} wavelength [Angstrom]".strip().capitalize().replace("angstrom", "Angstrom")


def h_alpha(spectrum: Spectrum | None) -> float:
    """H-alpha at rest in Angstrom, where this spectrum's axis has it."""
    return H_ALPHA_VACUUM if medium(spectrum) == "Vacuum" else H_ALPHA_AIR


def twin(panel: Panel, earlier: tuple[Panel, ...]) -> Panel | None:
    """The first of the ``earlier`` panels that has the very numbers of this one."""
    mine = panel.spectrum
    if mine is None:
        return None
    for other in earlier:
        theirs = other.spectrum
        if theirs and np.array_equal(mine.wave, theirs.wave) and np.array_equal(mine.flux, theirs.flux):
            return other
    return None


def note(panel: Panel, earlier: tuple[Panel, ...]) -> str:
    """A panel's small print: how many points, and whether they are another panel's."""
    if panel.spectrum is None:
        return ""
    same = twin(panel, earlier)
    points = f"{panel.spectrum.wave.size:,} points"
    if same is None:
        return points
    return f"{points}, identical to {same.heading if same.fluxcalib else 'what is served without it'}"
