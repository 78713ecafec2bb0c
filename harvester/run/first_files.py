"""Stop a run whose first files all fail the same check.

Then settings, profile or this program are at fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from .. import events as ev
from ..engine.shutdown import Shutdown
from ..model.exit_codes import StopReason
from ..model.failures import FILE_CHECK_ADVICE, Failure, FailureKind
from ..model.target import SpectrumId, Target

FIRST_FILES = 10
"""So many different spectra must fail alike before any is stored: a few bad ones at the start are no pattern."""

EXIT_CODE = 7


@dataclass(slots=True)
class FirstFilesCheck:
    """Drains a run if its first ``FIRST_FILES`` spectra fail alike and none was stored.

    enabled: False in a folder that has spectra of this archive already; then its profile is known to fit.
    """

    reads: ClassVar = frozenset({ev.SpectrumSaved, ev.RetryScheduled, ev.SpectrumFailed})
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
        if failure.kind not in FILE_CHECK_ADVICE:
            return
        self._failed[target.did] = failure.kind
        if len(set(self._failed.values())) > 1:
            self.enabled = False
        elif len(self._failed) >= FIRST_FILES:
            self.enabled = False
            alike = f"the first {len(self._failed)} files all fail the same check"
            self.shutdown.drain(StopReason(f"{alike}: {FILE_CHECK_ADVICE[failure.kind]} ({failure.detail})", EXIT_CODE))
