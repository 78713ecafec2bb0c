"""A run whose first files all fail the same check ends early, and says what to set; others go on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from harvester import events as ev
from harvester.engine.shutdown import Shutdown
from harvester.model.failures import Failure, FailureKind
from harvester.model.outcomes import Failed, Saved, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.run.first_files import FIRST_FILES, FirstFilesCheck


def target(number: int) -> Target:
    return Target(SpectrumId(f"ivo://a/{number}"), str(number))


def retry(number: int, kind: FailureKind) -> ev.Event:
    return ev.RetryScheduled(0.0, target(number), 1, Failure(kind, "no spectrum in it", 200), 1.0)


def failed(number: int, kind: FailureKind) -> ev.Event:
    return ev.SpectrumFailed(0.0, Failed(target(number), Failure(kind, "no spectrum in it", 200), 2, 0.1, ""))


def saved(number: int) -> ev.Event:
    return ev.SpectrumSaved(0.0, Saved(target(number), VerifiedSpectrum(1, "", "", 2, 1e-7, 2e-7, ""), 1, 0.1, ""))


def cause(events: Iterable[ev.Event], enabled: bool = True) -> str:
    shutdown = Shutdown()
    check = FirstFilesCheck(shutdown, enabled)
    for event in events:
        check(event)
    if shutdown.cause is None:
        return ""
    assert shutdown.cause.exit_code == 7
    return shutdown.cause.reason


@pytest.mark.parametrize("kind", [FailureKind.UNREADABLE, FailureKind.NO_IDENTIFIER, FailureKind.NOT_FINITE])
def test_ten_different_files_that_fail_alike_end_the_run(kind: FailureKind) -> None:
    events = [retry(number, kind) for number in range(FIRST_FILES)]
    assert cause(events[:-1]) == ""
    assert cause(events).startswith(f"the first {FIRST_FILES} files all fail the same check: ")


def test_it_says_that_the_archive_is_not_at_fault_and_what_the_files_are() -> None:
    reason = cause(failed(number, FailureKind.UNREADABLE) for number in range(FIRST_FILES))
    assert "which is not the archive's fault" in reason
    assert "require = 'structure'" in reason
    assert reason.endswith("(no spectrum in it)")


def test_one_file_that_fails_ten_times_is_one_file() -> None:
    assert cause(retry(1, FailureKind.UNREADABLE) for _ in range(3 * FIRST_FILES)) == ""


def test_a_stored_spectrum_or_another_check_or_a_known_archive_clears_all() -> None:
    many = [failed(number, FailureKind.UNREADABLE) for number in range(3 * FIRST_FILES)]
    assert cause([saved(99), *many]) == ""
    assert cause([failed(99, FailureKind.ZERO_FLUX), *many]) == ""
    assert cause(many, enabled=False) == ""


@pytest.mark.parametrize("kind", [FailureKind.NOT_FOUND, FailureKind.BUSY, FailureKind.NOT_FITS, FailureKind.TRUNCATED])
def test_what_says_nothing_of_the_files_does_not_count(kind: FailureKind) -> None:
    assert cause(failed(number, kind) for number in range(3 * FIRST_FILES)) == ""
