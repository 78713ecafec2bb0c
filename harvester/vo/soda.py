"""Build the SODA (dlget) request for a spectrum.

It is the notebook's query, parameter for parameter and in its order. SODA 1.0 section 3; parameter values as DALI 1.1
has them. DaCHS answers 422 to any parameter that it does not know, so only what is wanted is sent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus, urlencode

from ..model.band import Band
from ..model.target import SpectrumId


@dataclass(frozen=True, slots=True)
class SodaRequest:
    """The parameters of the request for every spectrum of a harvest.

    None leaves a parameter out.
    """

    endpoint: str
    fluxcalib: str | None = "normalized"
    band: Band | None = None
    format: str | None = "application/fits"
    band_parameters: tuple[str, ...] = ("BAND",)
    """Services from before SODA 1.0 take the limits one by one: LAMBDA_MIN, LAMBDA_MAX."""

    def parameters(self, did: SpectrumId) -> list[tuple[str, str]]:
        pairs = [("ID", did), ("FLUXCALIB", self.fluxcalib), *self._limits(), ("FORMAT", self.format)]
        return [(name, value) for name, value in pairs if value is not None]

    def _limits(self) -> list[tuple[str, str | None]]:
        if self.band is None:
            return []
        if len(self.band_parameters) == 1:
            return [(self.band_parameters[0], str(self.band))]
        ends = zip(self.band_parameters, (self.band.low, self.band.high), strict=True)
        return [(name, repr(limit) if math.isfinite(limit) else None) for name, limit in ends]

    @property
    def request_key(self) -> str:
        """The parameters that all spectra share, as text.

        Spectra of different keys do not belong together.
        """
        chosen = [("FLUXCALIB", self.fluxcalib), ("BAND", self.band), ("FORMAT", self.format)]
        return ", ".join(f"{name}={value}" for name, value in chosen if value is not None) or "no parameters"

    def url(self, did: SpectrumId) -> str:
        """Return the complete URL, every value encoded exactly once."""
        before, behind = _around(self)
        return f"{before}{quote_plus(did)}{behind}"


@lru_cache(16)  # what is the same in every request of a harvest is encoded once
def _around(request: SodaRequest) -> tuple[str, str]:
    """Return what stands before and behind the DID in every URL."""
    endpoint = request.endpoint
    separator = "" if endpoint.endswith(("?", "&")) else "&" if "?" in endpoint else "?"
    (name, _), *others = request.parameters(SpectrumId(""))
    behind = urlencode(others)
    return f"{endpoint}{separator}{name}=", f"&{behind}" if behind else ""
