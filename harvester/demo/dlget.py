"""SODA as DaCHS' ``dlget`` speaks it for spectra: parameters in, an answer out, nothing of the network in between.

The order and the words of the checks follow DaCHS 2.7 with a strict set of parameters (SODA 1.0; DALI 1.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ..spectra import SpectrumId
from .answers import TEXT, Answer, multi_valued, no_data, not_found, server_error, usage_error
from .fits import Cutout, cut, spectrum_fits
from .observations import Observation, observe
from .synthesis import Calibration, Spectrum, synthesize
from .votables import spectrum_votable

FITS = "application/fits"
VOTABLE = "application/x-votable+xml"
FORMATS = (FITS, VOTABLE, f"{VOTABLE};serialization=tabledata", "text/csv", TEXT)
_KNOWN = frozenset({"ID", "FLUXCALIB", "BAND", "FORMAT", "RESPONSEFORMAT"})
_SINGLE = ("FLUXCALIB", "BAND", "FORMAT")
_ENDINGS = {FITS: "fits", VOTABLE: "vot", "text/csv": "csv", TEXT: "txt"}

Parameters = Iterable[tuple[str, str]]
Spoil = Callable[[Spectrum], Spectrum]


class RefusedError(Exception):
    """The request gets this answer, and no spectrum."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Asked:
    """One well-formed request: which spectrum, how calibrated, cut and written. ``stem`` names the file sent."""

    observation: Observation
    stem: str
    calibration: Calibration = Calibration.UNCALIBRATED
    cutout: Cutout | None = None
    format: str = VOTABLE

    def spectrum(self) -> Spectrum:
        whole = synthesize(self.observation, self.calibration)
        return cut(whole, self.cutout) if self.cutout else whole

    def answer(self, spoil: Spoil | None = None) -> Answer:
        """The spectrum, ``spoil``-ed if a fault wants so; 204 where nothing lies within the cutout."""
        spectrum = self.spectrum()
        if not spectrum.wave.size:
            return no_data()
        spectrum = spoil(spectrum) if spoil else spectrum
        kind = self.format.partition(";")[0]
        return Answer(self._document(spectrum), self.format, file_name=f"{self.stem}.{_ENDINGS[kind]}")

    def _document(self, spectrum: Spectrum) -> bytes:
        if self.format == FITS:
            return spectrum_fits(self.observation, self.calibration, spectrum, was_cut=self.cutout is not None)
        if self.format == "text/csv":
            return _text(spectrum, ",", f"# pubDID = {self.observation.did}\nspectral,flux\n")
        if self.format == TEXT:
            return _text(spectrum, "\t", "")
        return spectrum_votable(self.observation, spectrum, self.format != VOTABLE)

    def of(self, observation: Observation) -> Asked:
        """The same request for another spectrum."""
        return replace(self, observation=observation)


def _text(spectrum: Spectrum, separator: str, head: str) -> bytes:
    rows = zip(spectrum.wave.tolist(), spectrum.flux.tolist(), strict=True)
    return (head + "".join(f"{wave!r}{separator}{flux!r}\n" for wave, flux in rows)).encode()


def read_request(parameters: Parameters, known: Callable[[str], bool]) -> Asked:
    """The request in ``parameters``; RefusedError, with the answer it gets, where it is no good one."""
    values: dict[str, list[str]] = {}
    for name, value in parameters:
        values.setdefault(name.upper(), []).append(value)
    did, stem = _identifier(values.get("ID", []), known)
    if unknown := sorted(values.keys() - _KNOWN):
        words = f"The following parameter(s) are not accepted by this service: {','.join(unknown).lower()}"
        raise RefusedError(usage_error(f"Field (various): {words}"))
    for name in _SINGLE:
        if len(values.get(name, [])) > 1:
            raise RefusedError(multi_valued(name))
    return Asked(
        observation=observe(did),
        stem=f"{stem}_proc" if len(values) > 1 else stem,
        calibration=_calibration(values.get("FLUXCALIB", [""])[0]),
        cutout=_cutout(values.get("BAND", [""])[0]),
        format=_format(values.get("FORMAT", [""])[0]),
    )


def _identifier(ids: list[str], known: Callable[[str], bool]) -> tuple[SpectrumId, str]:
    """The last ID counts, the first names the file: that is how DaCHS takes two."""
    if not ids:
        raise RefusedError(usage_error("Field ID: ID is mandatory with dlget"))
    did = ids[-1]
    if not did or "\0" in did or "\udc80" <= max(did) <= "\udcff":
        raise RefusedError(server_error("ValueError"))
    if not known(did):
        raise RefusedError(not_found(did))
    return SpectrumId(did), ids[0].rpartition("/")[2]


def _calibration(text: str) -> Calibration:
    for calibration in Calibration:
        if text.lower() == calibration.value.lower():
            return calibration
    if text:
        raise RefusedError(usage_error(f"Field FLUXCALIB: {text!r} is not a valid value for FLUXCALIB"))
    return Calibration.UNCALIBRATED


def _cutout(text: str) -> Cutout | None:
    if not text.strip():
        return None
    try:
        low, high = map(float, text.split())
    except ValueError:
        raise RefusedError(usage_error(f"Field BAND: {text!r} is not a valid interval")) from None
    if math.isnan(low) or math.isnan(high):
        raise RefusedError(server_error("ValueError"))
    return Cutout(low, high)


def _format(text: str) -> str:
    if text and text not in FORMATS:
        raise RefusedError(usage_error(f"Field FORMAT: {text!r} is not a valid value for FORMAT"))
    return text or VOTABLE
