"""Why a run stops, and which exit code it then gives."""

from __future__ import annotations

from dataclasses import dataclass

EXIT_CODES = {
    0: "every spectrum of the catalog is stored and verified",
    1: "internal error: one sentence on the terminal, the traceback in the run's `harvester.log`",
    2: "wrong usage, configuration or catalog",
    3: "finished; some spectra are unavailable (removed, refused, or damaged at the source)",
    4: "stopped with work left that is worth another run",
    5: "the archive stayed unavailable",
    6: "storage failed (disk full, read-only or with I/O errors; bucket missing or unreachable), or memory did",
    7: "the archive refuses these requests, or no download URL is permitted; no further request was sent",
    10: "`plan` only: there is something to download",
    75: "another run is using this directory (with an object store: on this machine)",
    129: "stopped by SIGHUP, after a drain",
    130: "stopped by SIGINT (Ctrl-C), after a drain",
    143: "stopped by SIGTERM, after a drain",
}
"""The exit codes of ``run`` and ``plan``, and what they tell scripts."""

EXIT_CODE_PRIORITY = (1, 6, 5, 7, 130, 143, 129, 4, 3, 0)
"""If several reasons apply, the first of these is returned."""


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why a run stops early: a clause for people, and the exit code."""

    reason: str
    exit_code: int
