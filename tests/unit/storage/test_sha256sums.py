"""SHA256SUMS: what coreutils says of it is what counts."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.errors import StoreError
from harvester.storage.atomic import write_sha256sums

NAMES = ["_a.fits", "sh270028.fits", "stel_ccd700_x-0a1b2c3d.fits"]

needs_coreutils = pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")


def rows(folder: Path) -> Iterator[tuple[str, str]]:
    for name in NAMES:
        (folder / name).write_bytes(name.encode() * 1000)
        yield name, hashlib.sha256(name.encode() * 1000).hexdigest()


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False
    )


@needs_coreutils
def test_coreutils_accepts_it_and_sees_a_flipped_byte(tmp_path: Path) -> None:
    write_sha256sums(tmp_path, rows(tmp_path))
    assert check(tmp_path).stdout == "".join(f"{name}: OK\n" for name in NAMES)
    (tmp_path / NAMES[1]).write_bytes(b"flipped")
    done = check(tmp_path)
    assert done.returncode == 1
    assert f"{NAMES[1]}: FAILED" in done.stdout


def test_whatever_breaks_off_leaves_the_old_one(tmp_path: Path) -> None:
    write_sha256sums(tmp_path, [("a.fits", "0" * 64)])

    def broken() -> Iterator[tuple[str, str]]:
        yield "b.fits", "1" * 64
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sha256sums(tmp_path, broken())
    assert (tmp_path / "SHA256SUMS").read_text() == f"{'0' * 64}  a.fits\n"
    assert [path.name for path in tmp_path.iterdir()] == ["SHA256SUMS"]


def test_where_it_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").mkdir()
    with pytest.raises(StoreError, match="SHA256SUMS"):
        write_sha256sums(tmp_path, [])
