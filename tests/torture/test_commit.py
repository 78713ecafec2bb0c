"""Every system call of a commit fails once, in every way: whatever happens, no wrong state and no false report.

After curl's torture tests: count the calls of a good run, then repeat it once for each call and each errno.
"""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harvester.storage import atomic as recipe
from harvester.storage.fsync import reports_write_errors, sync_file_system

CALLS = ("open", "write", "fsync", "close", "replace", "unlink")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.EACCES, errno.EINTR)
OLD, NEW = b"old" * 960, b"new" * 5 * 960
SYNCFS = reports_write_errors()
FILES = [("one.fits", NEW), ("two.fits", NEW)]
HASHED = [("ab/one.fits", NEW), ("cd/two.fits", NEW), ("ab/three.fits", NEW)]
Files = list[tuple[str, bytes]]


@dataclass
class Saboteur:
    """Lets ``fail_at``-th call (from 0) fail with ``number``; ``short`` makes every write a short one."""

    fail_at: int = -1
    number: int = 0
    short: bool = False
    made: list[str] = field(default_factory=list)

    together: bool = False

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def sabotaged(*arguments: Any, **options: Any) -> Any:
            at = len(self.made)
            self.made.append(name)
            if at == self.fail_at:
                if name == "close":
                    call(*arguments)  # Linux has closed the descriptor even where close reports an error
                raise OSError(self.number, os.strerror(self.number))
            if name == "write" and self.short:
                return call(arguments[0], bytes(arguments[1])[: max(1, len(arguments[1]) // 2)])
            return call(*arguments, **options)

        return sabotaged


def commit_under(saboteur: Saboteur, folder: Path, files: Files = FILES) -> list[OSError | None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, saboteur.wrap(name, getattr(os, name)))
        patch.setattr(recipe, "sync_file_system", saboteur.wrap("syncfs", sync_file_system))
        return recipe.commit(folder, files, saboteur.together)


def calls_of_a_good_commit(folder: Path, together: bool, files: Files) -> list[str]:
    saboteur = Saboteur(short=True, together=together)
    assert commit_under(saboteur, made_for(files, folder), files) == [None] * len(files)
    return saboteur.made


def made_for(files: Files, folder: Path) -> Path:
    """The folder, with the folders in it that the files need."""
    for name, _ in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return folder


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def check(
    folder: Path, results: list[OSError | None], before: dict[str, bytes], what: str, files: Files = FILES
) -> None:
    for (name, body), result in zip(files, results, strict=True):
        path = folder / name
        now = path.read_bytes() if path.exists() else None
        if result is None:
            assert now == body, f"{what}: reported as saved, but it is not there whole"
        else:
            assert now in (body, before.get(name)), f"{what}: a wrong file is visible"


@pytest.mark.parametrize("files", [FILES, HASHED], ids=["flat", "hashed"])
@pytest.mark.parametrize("overwriting", [False, True], ids=["new", "overwriting"])
@pytest.mark.parametrize("short", [False, True], ids=["whole writes", "short writes"])
@pytest.mark.parametrize("together", [False, SYNCFS], ids=["each synced", "synced together"])
def test_no_failing_call_leaves_a_wrong_state(
    tmp_path: Path, files: Files, overwriting: bool, short: bool, together: bool
) -> None:
    gc.collect()  # else a descriptor that an earlier test left to the collector may close between two counts
    before = {files[0][0]: OLD} if overwriting else {}
    folders = len({Path(name).parent for name, _ in files})
    made = calls_of_a_good_commit(tmp_path / "count", together, files)
    assert {"open", "write", "fsync", "close", "replace", *(["syncfs"] if together else [])} == set(made)
    assert made.count("fsync") == (folders if together else folders + len(files))
    for at, name in enumerate(made):
        for number in ERRORS:
            folder = made_for(files, tmp_path / f"{at}-{number}")
            for file, body in before.items():
                (folder / file).write_bytes(body)
            descriptors = open_descriptors()
            results = commit_under(Saboteur(at, number, short, together=together), folder, files)
            assert open_descriptors() == descriptors
            check(folder, results, before, f"{name} (call {at}) fails with {errno.errorcode[number]}", files)
            assert not list(folder.rglob(".*.part")), f"{name} (call {at}): a temporary file is left"


def test_even_a_clean_up_that_fails_leaves_only_what_the_next_start_sweeps(tmp_path: Path) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EIO, "no")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        patch.setattr(os, "unlink", refuse)
        results = recipe.commit(tmp_path, FILES)
    assert all(results)
    assert not list(tmp_path.glob("*.fits"))
    assert all(path.name.endswith(".part") for path in tmp_path.iterdir())


def test_a_committer_that_believes_a_short_write_fails_this_torture(tmp_path: Path) -> None:
    def believing(folder: int, name: str, body: bytes, sync: bool) -> None:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=folder)
        os.write(descriptor, body)
        os.fsync(descriptor)
        os.close(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "_write", believing)
        results = commit_under(Saboteur(short=True), tmp_path)
        with pytest.raises(AssertionError, match="not there whole"):
            check(tmp_path, results, {}, "short writes")
