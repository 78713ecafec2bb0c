"""Names of objects that mean harm: in the page, the terminal, CSV and the card of a data set they are only words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml
from astropy.table import Table
from click.testing import CliRunner

from harvester.cli import commands
from harvester.demo import listed_dids
from tests.support.fault_server import Fault, ok, says, serving_faults
from tests.support.harvests import harvest_from
from tests.torture.test_hostile_archive import assert_harmless

NAMES = (
    b"<script>alert(1)</script>", b"</title><img src=x onerror=1>", b"]]><!--", b"--- {license: [mine",
    b"](javascript:x)",
    b"=cmd|'' /C calc''!A0", b"\x1b]0;owned\x07\x1b[2J", b"\x9b2J\xe2\x80\xaered", b"../../../etc/passwd",
    b"a,b;\"c\"\t\r", b"x" * 68,
)  # fmt: skip
DIDS = list(listed_dids(len(NAMES) + 1))


def named(body: bytes, name: bytes) -> bytes:
    """The file with another OBJECT in each of its headers."""
    cards = [body[at : at + 80] for at in range(0, len(body), 80)]
    return b"".join(
        (b"OBJECT  = '" + name + b"'").ljust(80)[:80] if card.startswith(b"OBJECT  ") else card for card in cards
    )


def renaming(name: bytes) -> Fault:
    return says(lambda good: ok(named(good, name)))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    async def harvest() -> None:
        async with serving_faults(dict(zip(DIDS, map(renaming, NAMES), strict=False))) as server:
            await harvest_from(server.archive, tmp_path / "out", DIDS, limits={"attempts": 1})

    asyncio.run(harvest())
    assert len(list((tmp_path / "out").glob("*.fits"))) >= len(NAMES) - 2, "most are spectra like any other"
    return tmp_path / "out"


def said(*words: object) -> str:
    done = CliRunner().invoke(commands, [*map(str, words)], standalone_mode=False)
    assert done.exception is None, (words, done.exception)
    return done.output


def test_no_name_of_an_object_is_more_than_a_name(out: Path, tmp_path: Path) -> None:
    names = [path.stem for path in sorted(out.glob("*.fits"))]
    for words in (
        ["status"],
        ["failures"],
        ["verify", "--processes", "1"],
        ["quarantine", "list"],
        ["preview", names[0]],
    ):
        assert_harmless(said(*words, "--out", out).encode(), " ".join(words))
    said("report", "-o", tmp_path / "page.html", "--out", out)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert_harmless(page.encode(), "the page")
    said("export", f"{tmp_path}/set/", "--out", out)
    card = (tmp_path / "set" / "README.md").read_text("utf-8")
    about = yaml.safe_load(card.split("---")[1])
    assert about["license"] != "mine"
    assert "<script>" not in card
    assert "](javascript:" not in card
    said("export", tmp_path / "set.parquet", "--out", out)
    stored = Table.read(tmp_path / "set.parquet")
    assert len(stored) == len(names)
    assert {path.name for path in tmp_path.iterdir()} == {
        "out", "out.csv", "page.html", "set", "set.parquet", "set.parquet.md"
    }  # fmt: skip
    assert "](javascript:" not in (tmp_path / "set.parquet.md").read_text("utf-8")
