"""What pip installs: the extras of this project, never another project of a similar name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import harvester
from tests.support.paths import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_extras_that_contain_others_name_this_distribution() -> None:
    extras = PROJECT["optional-dependencies"]
    nested = [line for group in extras.values() for line in group if "[" in line and set(inner(line)) <= set(extras)]
    assert len(nested) >= 2, "test and all contain others"
    assert {line.partition("[")[0] for line in nested} == {PROJECT["name"]}


def inner(requirement: str) -> list[str]:
    """Return the extras in the brackets of a requirement."""
    found = re.search(r"\[([^\]]*)\]", requirement)
    return found[1].split(",") if found else []


# Recipes of docs/packaging, which are not built here: what they name exists, and is what pyproject.toml says

PACKAGING = REPOSITORY / "docs" / "packaging"
RECIPE = yaml.safe_load((PACKAGING / "recipe.yaml").read_text(encoding="utf-8"))


def test_conda_installs_what_pip_installs() -> None:
    run = [one.replace(" ", "", 1) for one in RECIPE["requirements"]["run"] if not one.startswith("python ")]
    assert sorted(run) == sorted(PROJECT["dependencies"])
    assert RECIPE["package"]["name"] == PROJECT["name"]
    assert RECIPE["context"]["version"] == harvester.__version__
    assert PROJECT["requires-python"] == f">={RECIPE['context']['python_min']}"
    (command,) = PROJECT["scripts"].items()
    assert RECIPE["build"]["python"]["entry_points"] == [" = ".join(command)]


@pytest.mark.parametrize("name", ["Dockerfile", "harvester.def"])
def test_an_image_installs_extras_that_exist_from_files_that_exist(name: str) -> None:
    text = (PACKAGING / name).read_text(encoding="utf-8")
    (extras,) = re.findall(r'pip install --no-cache-dir "/source\[([^\]]*)\]"', text)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    if name == "Dockerfile":
        copied = [word for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for word in line.split()]
    else:
        copied = re.findall(r"^    (\S+) /source/", text, re.M)
    assert {"pyproject.toml", "README.md", "LICENSE", "harvester"} <= set(copied)
    assert all((REPOSITORY / one).exists() for one in copied)


def test_the_files_that_an_image_copies_make_a_wheel_that_runs(tmp_path: Path) -> None:
    """A build from these files alone, in this environment, and the command of the wheel."""
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    shutil.copytree(REPOSITORY / "harvester", source / "harvester", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=source, check=True, capture_output=True, timeout=120)
    (wheel,) = wheels.glob("specharvest-*.whl")
    code = f"import sys; sys.path.insert(0, {str(wheel)!r}); from harvester.__main__ import main; main()"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "--version"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert harvester.__version__ in done.stdout


def test_the_workflow_runs_what_every_machine_runs() -> None:
    jobs = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    steps = [step.get("run") for job in jobs.values() for step in job["steps"]]
    assert ".ci/run" in steps
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)


def test_hooks_are_those_of_the_checks() -> None:
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [hook["id"] for one in hooks for hook in one["hooks"]] == ["ruff-check", "ruff-format", "mypy", "reference"]


def test_what_the_package_says_of_itself_is_complete() -> None:
    assert PROJECT["authors"]
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} <= set(PROJECT["urls"])
    assert all(address.startswith("https://github.com/OWNER/harvester") for address in PROJECT["urls"].values())
