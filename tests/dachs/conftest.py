"""The witness that all these tests ask: one DaCHS with the demo archive's first spectra, for the whole session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from harvester.demo import listed_dids
from tests.dachs.witness import Witness, is_installed, standing

COUNT = 300
REQUIRED = os.environ.get("DACHS") == "required"
MISSING = "tests/dachs: GAVO DaCHS is not installed; on Debian bookworm: sudo .ci/dachs && python -m pytest tests/dachs"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not is_installed():
        terminalreporter.write_line(MISSING)


@pytest.fixture(scope="session")
def witness() -> Iterator[Witness]:
    if not is_installed():
        if REQUIRED:
            pytest.fail(MISSING)
        pytest.skip("no GAVO DaCHS here")
    with standing(listed_dids(COUNT)) as witness:
        yield witness
