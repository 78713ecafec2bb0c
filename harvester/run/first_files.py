"""Stop a run whose first files all fail the same check.

Then settings, profile or this program are at fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .. import events as ev
from ..engine.shutdown import Shutdown
from ..model.exit_codes import StopReason
from ..model.failures import Failure, FailureKind
from ..model.target import SpectrumId, Target

FIRST_FILES = 10
"""So many different spectra must fail alike before any is stored: a few bad ones at the start are no pattern."""

EXIT_CODE = 7

_ADVICE = {
    FailureKind.UNREADABLE: "this version reads no spectrum in them, which is not the archive's fault; to keep such "
    "files as they are, set require = 'structure'",
    FailureKind.NO_IDENTIFIER: "say with identity_card in the archive's profile which card names the DID, or that none "
    "does",
    FailureKind.NOT_FINITE: "if its files may have points without flux, set strict = false in the archive's profile",
    FailureKind.NOT_MONOTONIC: "if its files may hold overlapping orders, set strict = false in the archive's profile",
    FailureKind.INVALID_AXIS: "check step_tolerance and axis_tolerance in the archive's profile",
    FailureKind.MALFORMED_FITS: "if its files are not exact FITS, set strict = false in the archive's profile",
    FailureKind.NOT_NORMALIZED: "try --fluxcalib none, or set normalized_flux in the archive's profile",
    FailureKind.WRONG_BAND: "leave out --band, or check band_tolerance in the archive's profile",
    FailureKind.ZERO_FLUX: "try another --fluxcalib",
    FailureKind.NO_ROWS: "try another --fluxcalib, or leave out --band",
}
"""The failures that can be ours, by settings, profile or reader, and what to do about each."""


@dataclass(slots=True)
class FirstFilesCheck:
    """Drains a run if its first ``FIRST_FILES`` spectra fail alike and none was stored.

    enabled: False in a folder that has spectra of this archive already; then its profile is known to fit.
    """

    shutdown: Shutdown
    enabled: bool = True
    _failed: dict[SpectrumId, FailureKind] = field(default_factory=dict)

    def __call__(self, event: ev.Event) -> None:
        """Take note of ``event``."""
        if not self.enabled:
            return
        match event:
            case ev.SpectrumSaved():
                self.enabled = False
            case ev.RetryScheduled(target=target, failure=failure):
                self._note(target, failure)
            case ev.SpectrumFailed(outcome=outcome):
                self._note(outcome.target, outcome.failure)

    def _note(self, target: Target, failure: Failure) -> None:
        """Count a body that was downloaded whole and failed a check.

        Other failures say nothing of the files.
        """
        if failure.kind not in _ADVICE:
            return
        self._failed[target.did] = failure.kind
        if len(set(self._failed.values())) > 1:
            self.enabled = False
        elif len(self._failed) >= FIRST_FILES:
            self.enabled = False
            alike = f"the first {len(self._failed)} files all fail the same check"
            self.shutdown.drain(StopReason(f"{alike}: {_ADVICE[failure.kind]} ({failure.detail})", EXIT_CODE))
