"""The pages hold together: the site builds, links and paths lead somewhere, the README stays short, no row was lost."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

import harvester
from harvester.cli import COMMANDS
from harvester.config.loading import load
from harvester.model.target import SpectrumId, Target
from tests.docs.pages import DOCS, PAGES, blocks, table
from tests.docs.test_layers import RANK, RANKS
from tests.docs.test_words import BANNED
from tests.support.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "throttle" in (tmp_path / "site" / "glossary" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_no_page_uses_a_banned_word(page: Path) -> None:
    assert set(re.findall(r"[a-z]+", page.read_text(encoding="utf-8").lower())) & BANNED == set()


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(README.splitlines()) <= 120


def test_the_readme_has_the_command_that_ci_runs() -> None:
    (shown,) = re.findall(r"<!-- test command -->\n```sh\n(.+)\n```", README)
    assert shown.startswith("python3 -m venv .venv && ")
    assert shown.endswith("-m pytest -q -n 2")


def test_the_readme_leads_to_every_page_of_the_guide_and_the_reference() -> None:
    linked = {path for path, _ in LINK.findall(README)}
    pages = [*(DOCS / "guide").glob("*.md"), *(DOCS / "reference").glob("*.md")]
    assert {str(page.relative_to(REPOSITORY)) for page in pages} <= linked


@pytest.mark.parametrize(("name", "fewest"), [("architecture.md", 30), ("decisions.md", 5)])
def test_every_path_of_the_code_that_is_named_exists(name: str, fewest: int) -> None:
    package = Path(harvester.__file__).parent
    paths = re.findall(r"`([\w./]+(?:\.py|/))`", (DOCS / name).read_text(encoding="utf-8"))
    assert len(paths) > fewest
    missing = [path for path in paths if not (package / path).exists() and not (REPOSITORY / path).exists()]
    assert missing in ([], [".harvester/"]), missing


def test_the_ranks_of_the_architecture_page_are_those_that_a_test_enforces() -> None:
    shown = [set(re.findall(r"`(\w+)`", row[1])) & set(RANK) for row in table(DOCS / "architecture.md", "rank")]
    assert shown == [rank - {""} for rank in RANKS]


def test_every_extra_is_explained() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    rows = table(DOCS / "guide" / "first-harvest.md", "extra")
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row[0])} == set(
        project["project"]["optional-dependencies"]
    )


def test_every_command_is_shown_in_the_guide() -> None:
    shown = "".join(block.text for page in PAGES for block in blocks(page, "sh", "console"))
    assert [name for name in COMMANDS if name != "run" and f"harvester {name}" not in shown] == []


def test_the_profile_that_is_shown_is_one(tmp_path: Path) -> None:
    shown = "".join(block.text for block in blocks(DOCS / "guide" / "other-archives.md", "toml"))
    (tmp_path / "shown.toml").write_text(shown, encoding="utf-8")
    configuration = load({"archive": str(tmp_path / "shown.toml")})
    address = configuration.access.url(Target(SpectrumId("ivo://org.gavo.dc/~?feros/data/f08751.fits"), "f08751"))
    assert address == "http://archive.example/getproduct/feros/data/f08751.fits"
    assert configuration.profile.auth is not None
    assert configuration.profile.auth.variables == ("ARCHIVE_TOKEN",)


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    (version,) = re.findall(r"^version: (.*)$", citation, re.M)
    assert Version(harvester.__version__) <= Version(version), "of this release, or of the next one"
