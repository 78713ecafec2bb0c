"""Answer SODA requests as DaCHS' ``dlget`` does.

Parameters go in and a response comes out, without a network in between. Order and messages of the checks follow DaCHS
2.7 with a strict set of parameters (SODA 1.0; DALI 1.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ..model.target import SpectrumId
from .fits import Cutout, cut, spectrum_fits
from .observations import SyntheticObservation, observe
from .responses import TEXT, DemoResponse, multi_valued, no_data, not_found, server_error, usage_error
from .synthesis import Calibration, SyntheticSpectrum, synthesize
from .votables import full_did, spectrum_votable

FITS = "application/fits"
VOTABLE = "application/x-votable+xml"
_KNOWN = frozenset({"ID", "FLUXCALIB", "BAND", "FORMAT", "RESPONSEFORMAT"})
_SINGLE = ("FLUXCALIB", "BAND", "FORMAT")
_ENDINGS = {
    FITS: "fits",
    VOTABLE: "vot",
    f"{VOTABLE};serialization=tabledata": "vottd",
    f"{VOTABLE};serialization=TABLEDATA;version=1.5": "vot5",
    "text/csv": "csv",
    TEXT: "txt",
}

Parameters = Iterable[tuple[str, str]]
Spoil = Callable[[SyntheticSpectrum], SyntheticSpectrum]


class RefusedError(Exception):
    """The request gets this response, and no spectrum."""

    def __init__(self, answer: DemoResponse) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class SpectrumRequest:
    """One well-formed request: which spectrum, its calibration, cutout and format.

    ``stem`` names the file sent.
    """

    observation: SyntheticObservation
    stem: str
    calibration: Calibration = Calibration.UNCALIBRATED
    cutout: Cutout | None = None
    format: str = VOTABLE

    def spectrum(self) -> SyntheticSpectrum:
        whole = synthesize(self.observation, self.calibration)
        return cut(whole, self.cutout) if self.cutout else whole

    def answer(self, spoil: Spoil | None = None) -> DemoResponse:
        """Return the spectrum, ``spoil``-ed if a fault is planned.

        204 if nothing is within the cutout.
        """
        spectrum = self.spectrum()
        if not spectrum.wave.size:
            return no_data()
        spectrum = spoil(spectrum) if spoil else spectrum
        return DemoResponse(self._document(spectrum), self.format, file_name=f"{self.stem}.{_ENDINGS[self.format]}")

    def _document(self, spectrum: SyntheticSpectrum) -> bytes:
        if self.format == FITS:
            return spectrum_fits(self.observation, self.calibration, spectrum, was_cut=self.cutout is not None)
        if self.format == "text/csv":
            did = f"# ssa_pubDID = {self.observation.did} // Dataset identifier assigned by the publisher"
            return _text(spectrum, ",", f"{did}\r\nspectral,flux\r\n", "\r\n")
        if self.format == TEXT:
            return _text(spectrum, "\t", "")
        unit = "count" if self.calibration is Calibration.UNCALIBRATED else ""
        return spectrum_votable(self.observation, spectrum, unit=unit, tabledata=self.format != VOTABLE)

    def of(self, observation: SyntheticObservation) -> SpectrumRequest:
        """Return the same request for another spectrum."""
        return replace(self, observation=observation)


def _text(spectrum: SyntheticSpectrum, separator: str, head: str, end: str = "\n") -> bytes:
    rows = zip(spectrum.wave.tolist(), spectrum.flux.tolist(), strict=True)
    return (head + "".join(f"{wave!r}{separator}{flux!r}{end}" for wave, flux in rows)).encode()


def read_request(parameters: Parameters, known: Callable[[str], bool]) -> SpectrumRequest:
    """Parse the request in ``parameters``.

    RefusedError, with the response, if it is not valid.
    """
    values: dict[str, list[str]] = {}
    for name, value in parameters:
        values.setdefault(name.upper(), []).append(value)
    did, stem = _identifier(values.get("ID", []), known)
    if refused := refuse_unknown(values, _KNOWN):
        raise RefusedError(refused)
    for name in _SINGLE:
        if len(values.get(name, [])) > 1:
            raise RefusedError(multi_valued(name, values[name]))
    return SpectrumRequest(
        observation=observe(did),
        stem=f"{stem}_proc" if values.keys() - {"ID", "RESPONSEFORMAT"} else stem,
        calibration=_calibration(values.get("FLUXCALIB", [""])[0]),
        cutout=_cutout(values.get("BAND", [""])[0]),
        format=_format(values.get("FORMAT", [""])[0]),
    )


def refuse_unknown(names: Iterable[str], known: Iterable[str]) -> DemoResponse | None:
    """Refuse unknown parameters, as DaCHS does in dlget and dlmeta."""
    unknown = [name.lower() for name in names if name not in known]
    words = f"The following parameter(s) are not accepted by this service: {','.join(sorted(unknown))}"
    return usage_error(f"Field (various): {words}") if unknown else None


def no_spectrum(did: str) -> DemoResponse:
    return not_found(f"No spectrum with this pubDID known here (pubDID: {full_did(did)})")


def _identifier(ids: list[str], known: Callable[[str], bool]) -> tuple[SpectrumId, str]:
    """Return the last ID, and the first one, which names the file.

    That is how DaCHS treats two.
    """
    if not ids:
        raise RefusedError(usage_error("Field ID: ID is mandatory with dlget"))
    did = ids[-1]
    if not did:
        raise RefusedError(server_error("IndexError", "string index out of range"))
    if "\udc80" <= max(did) <= "\udcff":
        raise RefusedError(server_error("AttributeError", "'BinaryItem' object has no attribute 'startswith'"))
    if "\0" in did:
        raise RefusedError(server_error("ValueError", "A string literal cannot contain NUL (0x00) characters."))
    if not known(did):
        raise RefusedError(no_spectrum(did))
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
        limits = [float(part) for part in text.split()]
    except ValueError:
        raise RefusedError(usage_error(f"Field BAND: {text!r} is not a valid literal for BAND")) from None
    if len(limits) != 2:
        words = f"Invalid literal for double[2] (field anonymous): '<{len(limits)} token(s)>'"
        raise RefusedError(usage_error(f"Field BAND: Bad parameter literal {[text]} ({words})"))
    if any(map(math.isnan, limits)):
        words = "unsupported operand type(s) for *: 'NoneType' and 'float'"
        raise RefusedError(server_error("TypeError", words))
    return Cutout(*limits)


def _format(text: str) -> str:
    if text and text not in _ENDINGS:
        raise RefusedError(usage_error(f"Field FORMAT: {text!r} is not a valid value for FORMAT"))
    return text or VOTABLE
