"""What a command that takes seconds prints where no terminal is."""

from __future__ import annotations

import pytest

from harvester.cli.progress import FEW, show_progress


@pytest.mark.parametrize(("total", "lines"), [(30, 0), (FEW, 9)])
def test_a_log_gets_lines_about_many_files_alone(total: int, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("exporting", "exported") as progress:
        for number in range(1, total + 1):
            progress(number, total)
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == lines
    assert shown[:1] == (["exported 10 % (50 of 500)"] if lines else [])
