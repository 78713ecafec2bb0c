"""What one archive is like: where it answers, what it expects, and what its files promise. Quirks live here as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt


@dataclass(frozen=True, slots=True)
class ArchiveProfile:
    """One archive. ``endpoint`` is its dlget (SODA sync) URL; ``settings`` are defaults below the user's own."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    name: str
    title: str
    endpoint: str
    identity_card: str | None = "DS_IDPUB"
    """The header card in which the archive's files name their publisher DID; empty if they do not."""
    normalized_flux: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (0.2, 5.0)
    """Where the median flux of a normalized spectrum lies; counts lie in the thousands."""
    band_tolerance: Annotated[float, Ge(0)] = 1e-10
    """Metres that wavelengths may lie outside the band asked for."""
    axis_tolerance: Annotated[float, Ge(0)] = 1e-6
    """Relative difference allowed between the wavelengths' ends and TDMIN1, TDMAX1."""
    step_tolerance: Annotated[float, Ge(0)] = 0.01
    """Relative difference allowed between two steps in wavelength; 0 for an archive that does not space them evenly."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Values for settings that neither flag, environment nor config.toml gives."""
