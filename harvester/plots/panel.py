"""The text of a picture of a spectrum: titles, units and notes, without any drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..fits.observation import Observation, observation_of
from ..fits.spectrum import Spectrum
from ..formatting import plain_line, plural
from ..model.target import SpectrumId

LONGEST_NAME = 48  # characters of an object's name that a title has room for

_COUNTS = frozenset({"count", "counts", "ct", "adu"})


@dataclass(frozen=True, slots=True)
class Panel:
    """The spectrum under one FLUXCALIB (None: as served, without any), or why there is none.

    problem: the meaning of the failure; message: that of the server, or of the check that failed.
    """

    fluxcalib: str | None
    spectrum: Spectrum | None = None
    problem: str = ""
    message: str = ""

    @property
    def heading(self) -> str:
        """The panel's title."""
        chosen = plain_line(self.fluxcalib or "", 40)
        return f"FLUXCALIB={chosen}" if chosen else "As served (no FLUXCALIB)"

    @property
    def flux_label(self) -> str:
        """The label of the flux axis, with its unit or what its numbers are relative to."""
        unit = plain_line(self.spectrum.flux_unit, 24) if self.spectrum else ""
        if unit:
            return f"Flux [{'counts' if unit.lower() in _COUNTS else unit}]"
        requested = (self.fluxcalib or "").lower()
        if requested == "normalized":
            return "Normalized flux (continuum = 1)"
        if requested == "relative" or (self.spectrum and self.spectrum.table.get("FLUX_CAL") == "RELATIVE"):
            return "Relative flux (maximum = 1)"
        return "Flux [unit not given]"


@dataclass(frozen=True, slots=True)
class Subject:
    """The observation that a picture shows.

    ``when`` is the middle of the exposure (UT), ``exposure`` a text.
    """

    did: str
    name: str = ""
    when: str = ""
    exposure: str = ""

    @property
    def title(self) -> str:
        """The object's name, else the last part of the DID."""
        return self.name or self.did.rpartition("/")[2]

    @property
    def details(self) -> str:
        """Everything but the title, in one line."""
        return "  |  ".join(part for part in (self.did, self.when, self.exposure) if part)


def subject_of(did: SpectrumId, panels: tuple[Panel, ...]) -> Subject:
    """Return the observation of the first panel with a spectrum."""
    shown = plain_line(did, 90)
    spectrum = next((panel.spectrum for panel in panels if panel.spectrum), None)
    if spectrum is None:
        return Subject(shown)
    observation = observation_of(spectrum)
    name = plain_line(observation.object_name, LONGEST_NAME)
    return Subject(
        shown, name, observation.when, f"{observation.exposure:.10g} s exposure" if observation.exposure else ""
    )


def wave_label(spectrum: Spectrum | None) -> str:
    """Return the label of the wavelength axis, with medium and unit."""
    return f"{_observed(spectrum).medium} wavelength [Angstrom]".strip().capitalize().replace("angstrom", "Angstrom")


def h_alpha(spectrum: Spectrum | None) -> float:
    """Return H-alpha at rest in Angstrom, in the medium of this spectrum's axis."""
    return _observed(spectrum).h_alpha


def _observed(spectrum: Spectrum | None) -> Observation:
    return observation_of(spectrum) if spectrum else Observation()


def twin(panel: Panel, earlier: tuple[Panel, ...]) -> Panel | None:
    """Return the first of the ``earlier`` panels that has equal arrays."""
    mine = panel.spectrum
    if mine is None:
        return None
    for other in earlier:
        theirs = other.spectrum
        if theirs and np.array_equal(mine.wave, theirs.wave) and np.array_equal(mine.flux, theirs.flux, equal_nan=True):
            return other
    return None


def note(panel: Panel, earlier: tuple[Panel, ...]) -> str:
    """Return a panel's notes: how many points, and whether they are another panel's."""
    if panel.spectrum is None:
        return ""
    same = twin(panel, earlier)
    points = plural(panel.spectrum.wave.size, "point")
    if same is None:
        return points
    return f"{points}, identical to {same.heading if same.fluxcalib else 'what is served without it'}"
