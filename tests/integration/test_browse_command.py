"""``harvester browse`` as a person starts and ends it."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from harvester.cli import commands
from harvester.errors import StoreError, UsageError
from harvester.storage.run_folder import StateFolder

COUNT = 8


def harvester(*arguments: str) -> str:
    done = CliRunner().invoke(commands, ["browse", *arguments], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output


def test_it_prints_an_address_that_works_and_ends_with_ctrl_c(out: Path) -> None:
    line = [sys.executable, "-m", "harvester", "browse", "--out", str(out), "--label", "--as", "anna"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert "anna.csv" in process.stdout.readline()
            with urllib.request.urlopen(url, timeout=30) as response:
                assert b"<main>" in response.read()
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(url.partition("?")[0], timeout=30)
            with pytest.raises(UsageError, match="another browse is writing these labels"):
                harvester("--out", str(out), "--label", "--as", "anna")
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_labels_of_spectralview_become_a_labeller_s(out: Path, tmp_path: Path) -> None:
    dids = [json.loads(line)["id"] for line in _saved(out)]
    theirs = tmp_path / "spectralview.csv"
    theirs.write_text("id,label\n" + "".join(f"{did},{number % 4}\n" for number, did in enumerate(dids)))
    printed = harvester("--out", str(out), "--import", str(theirs), "--as", "petr")
    assert printed == f"{out}/labels/petr.csv: 8 labels imported, 0 spectra had one\n"
    assert harvester("--out", str(out), "--import", str(theirs), "--as", "petr").endswith(
        "0 labels imported, 8 spectra had one\n"
    )
    assert (out / "labels" / "petr.csv").read_text() == theirs.read_text()
    assert "catalog and petr: 8 spectra labelled by both" in harvester("--out", str(out), "--agreement")


def _saved(out: Path) -> list[str]:
    (log,) = out.glob(".harvester/runs/*/events.jsonl")
    return [line for line in log.read_text().splitlines() if '"spectrum_saved"' in line]


def test_a_damaged_ledger_ends_it_with_a_sentence(out: Path) -> None:
    ledger = StateFolder.below(out).ledger
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("DROP TABLE entry")
    with pytest.raises(StoreError, match="the ledger cannot be used"):
        harvester("--out", str(out))


def test_a_user_who_errs_gets_one_sentence(out: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no ledger"):
        harvester("--out", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="--as 'a/b'"):
        harvester("--out", str(out), "--label", "--as", "a/b")
    (out / "labels").mkdir()
    (out / "labels" / "petr.csv").write_text("id;label\n")
    with pytest.raises(UsageError, match=r"petr\.csv: its first line is not id,label"):
        harvester("--out", str(out), "--label", "--as", "anna")
    (out / "labels" / "petr.csv").unlink()
    (tmp_path / "none.csv").write_text("id,class\nivo://asu.cas.cz/stel/ccd700/x,1\n")
    with pytest.raises(UsageError, match="no row has a label"):
        harvester("--out", str(out), "--import", str(tmp_path / "none.csv"))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="choose another"):
        harvester("--out", str(out), "--port", str(taken.getsockname()[1]))
