"""What an archive's profile says about its files, where the files do not."""

from __future__ import annotations

from dataclasses import dataclass

from .units import Scale


@dataclass(frozen=True, slots=True)
class FileConventions:
    """What an archive's profile says about its files, where the files do not.

    spectral_unit: unit of the spectral axis; '' if the files name it.
    spectral_scale: whether its numbers are linear, log10 or ln of that unit; '' if the files tell.
    reference_pixel: the value of CRPIX1 in images without that card; None if they have it.
    medium: ``air``, ``vacuum`` or ''.
    spectral_column, flux_column: name of a table's column, in any case, or its number from 1 on; '' if names, UCDs or
    UTYPEs tell.
    """

    spectral_unit: str = ""
    spectral_scale: str = ""
    reference_pixel: float | None = None
    medium: str = ""
    spectral_column: str = ""
    flux_column: str = ""

    @property
    def scale(self) -> Scale | None:
        """The scale of the spectral axis, None if the files tell."""
        return Scale(self.spectral_scale) if self.spectral_scale else None


NO_CONVENTIONS = FileConventions()
