"""Outcomes for one spectrum, as values; faults of a whole run are exceptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from .failures import Failure, FailureKind
from .target import Target

LONGEST_WAVELENGTH = 1e6  # metres: no spectrum has longer ones; a frequency of GHz without the G does
LONGEST_HEADER = 256  # characters of a header's value that are kept: an entity tag has a few dozen


@dataclass(frozen=True, slots=True)
class Fetched:
    """Response with status 200.

    ``body`` is complete as far as HTTP can tell, and not verified yet.
    """

    body: bytes
    url: str
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """Return the first header of that name, whose case does not matter.

        None if it is missing, too long or not printable.
        """
        wanted = name.casefold()
        value = next((value for other, value in self.headers if other.casefold() == wanted), "")
        return value if value.isprintable() and 0 < len(value) <= LONGEST_HEADER else None


class Level(StrEnum):
    """How far a stored file was verified."""

    STRUCTURE = "structure"
    """Whole FITS, and the file that was requested; no reader understands it as a spectrum."""
    EXTERNAL = "external"
    """All checks, of numbers that a reader of another package found: no reader of this program knows the form."""
    SCIENCE = "science"
    """All checks: its numbers are the spectrum that was requested."""


@dataclass(frozen=True, slots=True)
class VerifiedSpectrum:
    """What verification found in the bytes of a spectrum.

    ``wave_min`` and ``wave_max`` are metres, as BAND and ObsCore have them; ``sha256`` is of the whole file,
    ``content_digest`` leaves out what the server rewrites on every request (hex strings both). ``invalid`` counts the
    points without a finite flux, ``segments`` the orders, arms or chips; ``remarks`` are sentences on what is unusual
    in the file. At the ``level`` structure there are no points, and wavelengths are NaN.
    """

    size: int
    sha256: str
    content_digest: str
    points: int
    wave_min: float
    wave_max: float
    object_name: str
    invalid: int = 0
    segments: int = 1
    remarks: tuple[str, ...] = ()
    level: Level = Level.SCIENCE


class Check(StrEnum):
    """The three checks that bytes must pass, in this order."""

    STRUCTURE = "structure"
    IDENTITY = "identity"
    EXTERNAL = "external"
    """All checks, of numbers that a reader of another package found: no reader of this program knows the form."""
    SCIENCE = "science"


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """Bytes that are not the requested spectrum: which check they failed, and how."""

    check: Check
    kind: FailureKind
    detail: str


Verdict = VerifiedSpectrum | FailedCheck


@dataclass(frozen=True, slots=True)
class LongVerification:
    """A verification that takes longer than an event loop may be held: ``finish`` blocks."""

    finish: Callable[[], Verdict]


@dataclass(frozen=True, slots=True)
class Saved:
    """The spectrum is stored, verified and durable.

    ``elapsed`` is in seconds, from its first request slot to its commit; ``etag`` and ``last_modified`` are what the
    server calls this version (RFC 9110, section 8.8), if it does.
    """

    target: Target
    verified: VerifiedSpectrum
    attempts: int
    elapsed: float
    url: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Spectrum that was given up for this run; ``elapsed`` is seconds of its last attempt."""

    target: Target
    failure: Failure
    attempts: int
    elapsed: float
    url: str
