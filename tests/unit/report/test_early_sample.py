"""What a run reads for its report before its end: the same as the report would read, while the file is the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harvester.dataset.stored_files import DamagedError, StoredFile
from harvester.model.conventions import FileConventions
from harvester.model.target import SpectrumId
from harvester.report.data.early_sample import EarlySample
from harvester.report.data.sampling import SpectrumExcerpt, extract
from harvester.report.data.timeline import TimelineReader
from tests.support.fits_files import DID, FLUX, WAVE, spectrum_file

BODY, OTHER = spectrum_file(), spectrum_file(WAVE, 2 * FLUX)


def stored(path: Path, body: bytes = BODY) -> StoredFile:
    path.write_bytes(body)
    return StoredFile(SpectrumId(DID), path.stem, path, path.read_bytes, {}, sha256=hashlib.sha256(body).hexdigest())


def fail() -> bytes:
    raise AssertionError("the file is read again")


def flux_of(found: SpectrumExcerpt | DamagedError) -> bytes:
    assert isinstance(found, SpectrumExcerpt)
    return found.flux_digest


@pytest.fixture
def early(tmp_path: Path) -> EarlySample:
    return EarlySample(TimelineReader(tmp_path / "events.jsonl"))


def test_a_file_that_was_read_early_is_not_read_again(early: EarlySample, tmp_path: Path) -> None:
    file = stored(tmp_path / "x.fits")
    early.read(file)
    early.read(replace(file, load=fail))
    found, expected = early.extract(replace(file, load=fail)), extract(file)
    assert isinstance(found, SpectrumExcerpt)
    assert isinstance(expected, SpectrumExcerpt)
    assert (found.observation, found.flux_digest) == (expected.observation, expected.flux_digest)
    assert (found.row is None) == (expected.row is None)


def overwrite(path: Path) -> None:
    path.write_bytes(BODY[:-1] + b"x")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


@pytest.mark.parametrize("harm", [Path.unlink, overwrite], ids=["removed", "overwritten"])
def test_a_file_that_changed_since_is_read_again(
    harm: Callable[[Path], None], early: EarlySample, tmp_path: Path
) -> None:
    file = stored(tmp_path / "x.fits")
    early.read(file)
    harm(tmp_path / "x.fits")
    assert isinstance(early.extract(file), DamagedError)


def test_a_file_that_a_refresh_replaced_is_read_again(early: EarlySample, tmp_path: Path) -> None:
    early.read(stored(tmp_path / "x.fits"))
    after = stored(tmp_path / "x.fits", OTHER)
    assert flux_of(early.extract(after)) == flux_of(extract(after))


def test_what_the_profile_says_of_a_file_is_part_of_what_was_read(early: EarlySample, tmp_path: Path) -> None:
    file = stored(tmp_path / "x.fits")
    early.read(file)
    with pytest.raises(AssertionError, match="read again"):
        early.extract(replace(file, conventions=FileConventions(medium="vacuum"), load=fail))


def test_a_damaged_file_is_reported_as_it_is_at_the_end(early: EarlySample, tmp_path: Path) -> None:
    file = stored(tmp_path / "x.fits")
    early.read(replace(file, load=lambda: BODY[:-1]))
    assert flux_of(early.extract(file)) == flux_of(extract(file))
