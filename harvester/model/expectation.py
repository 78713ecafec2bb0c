"""What the request and the archive's profile promise about the bytes of a spectrum."""

from __future__ import annotations

from dataclasses import dataclass

from .band import Band
from .conventions import NO_CONVENTIONS, FileConventions
from .outcomes import Level


@dataclass(frozen=True, slots=True)
class Expectation:
    """What was asked for, and how far bytes may be from it.

    band: the cutout that was asked for, in metres; None for the whole spectrum.
    normalized: a normalized flux was asked for. No card tells (FLUX_CAL stays UNCALIBRATED), so the level must.
    identity_card: the card that names the publisher DID; None for an archive whose files do not.
    median_flux: the lowest and highest median of a normalized flux. Genuine ones have 0.99 to 1.003; counts have
        hundreds and more. Wide enough for a spectrum full of broad lines.
    band_tolerance: metres that wavelengths may lie outside the band, 1 Angstrom: a few pixels of rounding at its
        ends. A server that ignored the band overshoots by far more.
    axis_tolerance: relative difference allowed between the wavelengths' ends and TDMINn, TDMAXn, which archives
        round to single precision (6e-8) when they cut nothing. At least 1e-3 unless strict: others round to print them.
    step_tolerance: relative difference allowed between any step and the even step that TDMINn, TDMAXn and the number
        of points declare; None for an archive whose wavelengths are not evenly spaced.
    strict: the archive promises exact FITS, one spectrum a file, finite flux and wavelengths that rise or fall.
    conventions: what its files do not say, such as the unit of wavelengths.
    accept_stored_level: a stored file need not be verified further than it was when it was stored.
    fits_only: FITS was requested of a service that makes its files, so a VOTable is another answer.
    require: structure accepts whole files in which no reader finds a spectrum, as what they are.
    """

    band: Band | None = None
    normalized: bool = False
    identity_card: str | None = "DS_IDPUB"
    median_flux: tuple[float, float] = (0.2, 5.0)
    band_tolerance: float = 1e-10
    axis_tolerance: float = 1e-6
    step_tolerance: float | None = 0.01
    strict: bool = True
    conventions: FileConventions = NO_CONVENTIONS
    require: Level = Level.SCIENCE
    accept_stored_level: bool = True
    fits_only: bool = False
