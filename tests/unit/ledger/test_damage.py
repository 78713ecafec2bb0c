"""What is a fault of the ledger, and what one of the machine that reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harvester.ledger.damage import damage_of
from harvester.ledger.schema import open_for_writing

READER = """
import sqlite3, sys
from pathlib import Path
from harvester.ledger.damage import damage_of
limited = sqlite3.connect(":memory:")
limited.execute(f"PRAGMA hard_heap_limit={sys.argv[2]}").fetchall()
try:
    print(damage_of(Path(sys.argv[1])))
except MemoryError:
    print("no memory")
"""


def test_a_ledger_that_there_is_no_memory_to_check_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = open_for_writing(path)
    with ledger:
        rows = ((f"ivo://a/b/{number}", f"n{number}", f"n{number}") for number in range(20_000))
        ledger.execute("BEGIN")
        ledger.executemany("INSERT INTO entry(did, name, folded, status) VALUES(?, ?, ?, 'wanted')", rows)
    ledger.close()
    assert damage_of(path) is None
    said = subprocess.run(
        [sys.executable, "-c", READER, str(path), "400000"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "no memory\n"
