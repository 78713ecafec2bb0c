"""Why a run stops, and which exit code it then gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why the harvest stops early, in words, and the exit code that tells it to scripts."""

    reason: str
    exit_code: int


# Where several causes meet, the first of these exit codes is given (README, exit codes).
EXIT_CODE_PRIORITY = (1, 6, 5, 7, 130, 143, 129, 4, 3, 0)
