"""The limit of open files is raised as far as the system allows, which is no condition of a run."""

from __future__ import annotations

import resource

import pytest

from harvester.run.execute import raise_open_file_limit


@pytest.mark.parametrize(("most", "reached"), [(1 << 62, 1 << 62), (10_240, 10_240), (256, 256)])
def test_a_system_that_refuses_its_own_hard_limit_gets_a_lower_one(
    monkeypatch: pytest.MonkeyPatch, most: int, reached: int
) -> None:
    """On macOS the hard limit is infinite, and 10,240 is the most that it takes (its setrlimit(2))."""
    limits = [256, 1 << 62]

    def take(kind: int, wanted: tuple[int, int]) -> None:
        if wanted[0] > most:
            raise ValueError("current limit exceeds maximum limit")
        limits[:] = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda kind: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", take)
    raise_open_file_limit()
    assert limits == [reached, 1 << 62]
