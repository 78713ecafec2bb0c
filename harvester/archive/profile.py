"""What one archive is like: where it answers, what it expects, and what its files promise. Quirks live here as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from annotated_types import Gt


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
    settings: dict[str, Any] = field(default_factory=dict)
    """Values for settings that neither flag, environment nor config.toml gives."""
