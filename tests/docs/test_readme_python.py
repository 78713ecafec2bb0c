"""The README's examples in Python, run as a notebook would: in order, in one namespace, awaiting at the top level."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harvester
from harvester.demo import listed_dids
from tests.support.harvests import fits_names, write_catalog
from tests.support.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
DATA_SET, *EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def compiled(example: str, number: int) -> Any:
    """As IPython compiles a cell."""
    return compile(example, f"README.md, Python example {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def test_every_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_catalog(tmp_path / "labels.csv", listed_dids(12))
    notebook: dict[str, Any] = {}
    for number, example in enumerate(EXAMPLES, 1):
        done = eval(compiled(example, number), notebook)
        if inspect.iscoroutine(done):
            await done
    assert isinstance(notebook["result"], harvester.Harvest)
    assert notebook["result"].complete
    assert len(notebook["dataset"]) == len(notebook["table"]) == len(fits_names(tmp_path / "data" / "demo")) == 12
    assert notebook["plan"].wanted == 0
    assert notebook["spectrum"].meta["medium"] == "Air"
    assert capsys.readouterr().out.startswith("complete 0\n[]\n0 0.0 {'listed': 12, 'present': 12,")


def test_the_example_of_a_data_set_rebuilds_its_wavelengths(tmp_path: Path) -> None:
    write_catalog(tmp_path / "labels.csv", listed_dids(3))
    harvested = harvester.harvest_sync("labels.csv", archive="demo", rate=20)
    subprocess.run([sys.executable, "-m", "harvester", "export", "stars.parquet", "--archive", "demo"], check=True)
    names: dict[str, Any] = {}
    exec(compile(DATA_SET, "README.md", "exec"), names)
    np.testing.assert_array_equal(names["wave"], harvested[names["row"]["id"]].wave)


def test_every_name_that_the_package_lends_is_shown_or_is_an_error() -> None:
    for name in harvester.__all__:
        lent = getattr(harvester, name)
        shown = f"harvester.{name}" in README
        assert (
            shown or issubclass(lent, harvester.HarvestError) or lent in (harvester.Harvest, harvester.StoredSpectrum)
        )
