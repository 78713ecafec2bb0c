"""What a picture of a spectrum says: titles, units and notes. No drawing here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..fits.observation import Observation, observation_of
from ..fits.spectrum import Spectrum
from ..formatting import plain_line
from ..model.target import SpectrumId

LONGEST_NAME = 48  # characters of an object's name that a title has room for

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
    told = observation_of(spectrum)
    name = plain_line(told.object_name, LONGEST_NAME)
    return Subject(shown, name, told.when, f"{told.exposure:.10g} s exposure" if told.exposure else "")


def wave_label(spectrum: Spectrum | None) -> str:
    """The wavelength axis with its unit."""
    return f"{_observed(spectrum).medium} wavelength [Angstrom]".strip().capitalize().replace("angstrom", "Angstrom")


def h_alpha(spectrum: Spectrum | None) -> float:
    """H-alpha at rest in Angstrom, where this spectrum's axis has it."""
    return _observed(spectrum).h_alpha


def _observed(spectrum: Spectrum | None) -> Observation:
    return observation_of(spectrum) if spectrum else Observation()


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
