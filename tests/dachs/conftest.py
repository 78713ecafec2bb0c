"""The witness that all these tests ask: one DaCHS with the demo archive's first spectra, for the whole session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from harvester.demo import listed_dids

from .witness import Witness, is_installed, standing

COUNT = 300
REQUIRED = os.environ.get("DACHS") == "required"


@pytest.fixture(scope="session")
def witness() -> Iterator[Witness]:
    if not is_installed():
        words = "GAVO DaCHS is not installed; on Debian bookworm, as root: .ci/dachs && pytest tests/dachs"
        pytest.fail(words) if REQUIRED else pytest.skip(words)
    with standing(listed_dids(COUNT)) as witness:
        yield witness
