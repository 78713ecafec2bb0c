"""One spectrum on its way into a data set: what its file says, joined with what ledger and catalog know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..archive.profile import ArchiveProfile
from ..fits.errors import InvalidSpectrumError
from ..fits.observation import Observation, observation_of
from ..fits.spectrum import Spectrum, angstroms
from ..model.target import SpectrumId
from .stored_files import StoredFile, read


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """wave: Angstrom, flux: float64, shape (points,). flux_unit: '' where the file names none.

    columns: the other columns of its catalog row, as text.
    """

    did: SpectrumId
    name: str
    columns: Mapping[str, str]
    observation: Observation
    wave: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_unit: str
    sha256: str | None
    content_digest: str | None


class NotCoveredError(Exception):
    """A sound spectrum has no place in this data set; the message says why."""


class MissingMetadataError(Exception):
    """What neither the file tells nor the archive's profile, in a sentence that says how to tell it."""


def sample_of(holding: StoredFile, profile: ArchiveProfile | None) -> Sample:
    """What ``holding`` is; ``profile`` tells what its file does not. DamagedError if it is not what was stored."""
    spectrum = read(holding)
    observation = observation_of(spectrum)
    medium = profile.medium if profile else ""
    return Sample(
        holding.did,
        holding.name,
        holding.columns,
        observation if observation.medium else replace(observation, medium=medium.capitalize()),
        _wavelengths(holding.name, spectrum),
        spectrum.flux,
        spectrum.flux_unit,
        holding.sha256,
        holding.content_digest,
    )


def _wavelengths(name: str, spectrum: Spectrum) -> NDArray[np.float64]:
    try:
        return angstroms(spectrum)
    except InvalidSpectrumError as error:
        raise MissingMetadataError(f"{name}: {error.rejected.detail}") from None
