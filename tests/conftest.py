"""What all tests share: no setting of the person who runs them leaks in; and one harvest for the tests of a module."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support.harvests import harvest_demo

ROOT = Path(__file__).parents[1]

settings.register_profile("harvester", deadline=None)  # timings decide no test; a busy machine is slow
settings.load_profile("harvester")


LONGEST = ("tests/dachs", "tests/torture", "tests/integration/test_dask.py", "tests/integration/test_fault_cases.py")
"""Folders and files that are begun first, so that no worker of pytest-xdist is left with them at the end."""

SHARING = re.compile(r'scope="module"|xdist_group|\b(harvested|out): Path\b|tests\.support\.stores')
"""What a file has whose tests share a fixture, which one worker is to make for all of them."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder; begin with the longest, then other slow ones."""
    for item in items:
        folder = item.path.relative_to(ROOT).parts[1]
        if folder in ("integration", "torture"):
            item.add_marker(pytest.mark.slow)  # servers, processes and file systems of their own
        if folder == "dachs":
            item.add_marker(pytest.mark.dachs)
    items.sort(key=lambda item: (not item.nodeid.startswith(LONGEST), item.get_closest_marker("slow") is None))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give each worker whole groups of tests: ``--dist loadgroup`` of xdist 3.8 does nothing with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Scheduler(config, log)


def group_of(nodeid: str) -> str:
    """Return what tests of one worker share: the one DaCHS, a file with a fixture for all its tests, or nothing."""
    path = nodeid.partition("::")[0]
    if path.startswith("tests/dachs"):
        return "dachs"
    return path if shares_a_fixture(path) else nodeid


@cache
def shares_a_fixture(path: str) -> bool:
    return SHARING.search((ROOT / path).read_text(encoding="utf-8")) is not None


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name long bytes by their length: pytest-xdist wants the same ids everywhere, and packed bytes hold the time."""
    return f"{len(val)}_bytes" if isinstance(val, bytes) and len(val) > 30 else None


@pytest.fixture(scope="session")
def no_user_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the settings of a user who has none; astropy warns of one that is missing."""
    return tmp_path_factory.mktemp("settings")


@pytest.fixture(autouse=True)
def _only_our_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_user_settings: Path) -> None:
    for name in [name for name in os.environ if name.startswith("HARVESTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(no_user_settings))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def harvested(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo archive's first spectra, as many as the module's COUNT says."""
    folder = tmp_path_factory.mktemp("harvested") / "out"
    asyncio.run(harvest_demo(folder, request.module.COUNT))
    return folder


@pytest.fixture
def out(harvested: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(harvested, tmp_path / "out"))
