"""What all tests share: no setting of the person who runs them leaks in; and one harvest for the tests of a module."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.harvests import harvest_demo

HERE = Path(__file__).parent

settings.register_profile("harvester", deadline=None)  # timings decide no test; a busy machine is slow
settings.load_profile("harvester")


LONGEST = ("dachs", "torture", "integration/test_dask.py", "integration/test_fault_cases.py")
"""Folders and files that are begun first, so that no worker of pytest-xdist is left with them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, group and order them for the workers of pytest-xdist."""
    for item in items:
        folder, path = item.path.relative_to(HERE).parts[0], str(item.path)
        if folder in ("integration", "torture"):
            item.add_marker(pytest.mark.slow)  # servers, processes and file systems of their own
        if folder == "dachs":
            item.add_marker(pytest.mark.dachs)
            item.add_marker(pytest.mark.xdist_group(folder))  # there is one DaCHS
        elif _shares_a_fixture(item):
            item.add_marker(pytest.mark.xdist_group(path))
    items.sort(key=_turn)


def _shares_a_fixture(item: pytest.Item) -> bool:
    """Whether another test of the file uses what a fixture of this one makes once."""
    info = getattr(item, "_fixtureinfo", None)
    definitions = [one for found in info.name2fixturedefs.values() for one in found] if info else []
    return any(definition.scope == "module" for definition in definitions)


def _turn(item: pytest.Item) -> int:
    """Where a test stands in the order: the longest, other slow ones, the rest."""
    path = item.path.relative_to(HERE).as_posix()
    if path.startswith(LONGEST):
        return 0
    return 1 if item.get_closest_marker("slow") else 2


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
