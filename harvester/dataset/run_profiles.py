"""The archive profiles that runs recorded: what files do not say about their spectra."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from ..archive.profile import ArchiveProfile
from ..config.profiles import load_profile
from ..errors import UsageError
from ..model.conventions import NO_CONVENTIONS, FileConventions
from ..storage.interface import Store


@dataclass(slots=True)
class RunProfiles:
    """Finds the conventions that held when a run stored a spectrum.

    fallback: those of spectra whose run left no profile, as after the ledger was rebuilt. always: those of all spectra,
    whatever their run recorded.
    """

    store: Store
    fallback: FileConventions = NO_CONVENTIONS
    always: FileConventions | None = None
    _known: dict[str, ArchiveProfile | None] = field(default_factory=dict)

    def conventions(self, run: str | None) -> FileConventions:
        """Return what the files do not say that ``run`` stored."""
        if self.always is not None:
            return self.always
        if run is None:
            return self.fallback
        profile = self.profile(run)
        return self.fallback if profile is None else profile.conventions

    def profile(self, run: str) -> ArchiveProfile | None:
        """Return the profile that ``run`` used, None if it left none."""
        if run not in self._known:
            self._known[run] = None
            with suppress(UsageError):
                self._known[run] = load_profile(str(self.store.state.run(run).profile))
        return self._known[run]
