"""Which file system a path lies on, by the kernel's table of mounts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from harvester.model import filesystem
from harvester.model.filesystem import file_system
from harvester.model.target import SpectrumId, Target
from harvester.storage import directory, fsync, group_commit
from harvester.storage.atomic import commit


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = (
        f"none / ext4 rw 0 0\nnas:/x {tmp_path} nfs4 rw 0 0\nme {tmp_path}/a fuse.sshfs rw\nnone {tmp_path}/b xfs\n"
        f"systemd-1 {tmp_path}/c autofs rw 0 0\n/dev/sdb {tmp_path}/c ext3 rw 0 0\n"
        f"/dev/sdc {tmp_path}/my\\040disk fuseblk rw 0 0\noverlay {tmp_path}/layers overlay rw 0 0\n"
    )
    monkeypatch.setattr(filesystem, "MOUNTS", tmp_path / "mounts")
    filesystem.MOUNTS.write_text(table)
    return tmp_path


def test_the_longest_mount_has_a_path_and_of_two_on_one_place_the_later(mounted: Path) -> None:
    places = ("deep/down", "a/ledger", "a", "ab", "b/x", "c", "my disk/out", "../elsewhere")
    kinds = ["nfs4", "fuse.sshfs", "fuse.sshfs", "nfs4", "xfs", "ext3", "fuseblk", "ext4"]
    assert [file_system(mounted / place) for place in places] == kinds


def test_where_there_is_no_such_table_nothing_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "MOUNTS", tmp_path / "mounts")
    assert file_system(tmp_path) == ""


@pytest.mark.parametrize(("place", "together"), [("b", True), ("a", False), ("my disk", False), ("layers", False)])
async def test_only_a_file_system_that_keeps_the_promise_is_synced_whole(
    place: str, together: bool, mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsync, "reports_write_errors", lambda: True)
    asked: list[bool] = []

    def watched(folder: Path, files: Sequence[tuple[str, bytes]], whole: bool) -> list[OSError | None]:
        asked.append(whole)
        return commit(folder, files)

    monkeypatch.setattr(group_commit, "commit", watched)
    store = directory.DirectoryStore(mounted / place)
    store.prepare()
    targets = [Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}") for number in range(8)]
    async with store:  # they come in one turn of the loop, so that they are one batch
        await asyncio.gather(*(store.put(target, bytes(2880)) for target in targets))
    assert asked == [together]
