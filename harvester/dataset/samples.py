"""One spectrum on its way into a data set: its file joined with ledger and catalog."""

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
from .stored_files import StoredFile, read_stored

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One row of a data set. wave: Angstrom, flux: float64, shape (points,).

    flux_unit: '' where the file names none.

    columns: the other columns of its catalog row, as text.
    uncertainty: one standard deviation of flux, NaN where unknown; None where the file has none.
    mask: True where the file flags the point as bad; None where it flags none.
    lengths: points of each segment (order, arm), one behind the other; empty for a single segment.
    """

    did: SpectrumId
    name: str
    columns: Mapping[str, str]
    observation: Observation
    wave: Array
    flux: Array
    flux_unit: str
    sha256: str | None
    content_digest: str | None
    uncertainty: Array | None = None
    mask: Flags | None = None
    lengths: tuple[int, ...] = ()


class NotCoveredError(Exception):
    """A sound spectrum does not fit into this data set; the message says why."""


class MissingMetadataError(Exception):
    """Neither the file nor the archive's profile says what is needed.

    The message says how to supply it.
    """


def build_sample(stored: StoredFile, profile: ArchiveProfile | None) -> Sample:
    """Read ``stored``; ``profile`` supplies what its file lacks.

    DamagedError if it is not what was stored.
    """
    spectrum = read_stored(stored)
    observation = observation_of(spectrum)
    medium = profile.medium if profile else ""
    return Sample(
        stored.did,
        stored.name,
        stored.columns,
        observation if observation.medium else replace(observation, medium=medium.capitalize()),
        _wavelengths(stored.name, spectrum),
        spectrum.flux,
        spectrum.flux_unit,
        stored.sha256,
        stored.content_digest,
        spectrum.uncertainty,
        spectrum.mask,
        spectrum.lengths,
    )


def _wavelengths(name: str, spectrum: Spectrum) -> Array:
    try:
        return angstroms(spectrum)
    except InvalidSpectrumError as error:
        raise MissingMetadataError(f"{name}: {error.rejected.detail}") from None
