"""What is unusual in a stored file is recorded beside the ledger's row, for the file that it was found in alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

from harvester.ledger.remarks import TABLE, lower_levels, remarks_row, write_remarks
from harvester.model.outcomes import Level, VerifiedSpectrum

USUAL = VerifiedSpectrum(100, "digest", "content", 300, 5e-7, 6e-7, "HD 1")
UNUSUAL = replace(USUAL, points=0, level=Level.STRUCTURE, remarks=("no reader finds a spectrum",))


def ledger() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE spectrum(did TEXT PRIMARY KEY, sha256 TEXT)")
    connection.execute("INSERT INTO spectrum VALUES('ivo://a/1', 'digest')")
    return connection


def test_a_usual_spectrum_has_no_row() -> None:
    assert remarks_row("ivo://a/1", USUAL) is None
    for unusual in (replace(USUAL, invalid=3), replace(USUAL, segments=2), replace(USUAL, remarks=("odd",)), UNUSUAL):
        assert remarks_row("ivo://a/1", unusual) is not None


def test_the_level_counts_for_the_file_that_is_stored() -> None:
    with closing(ledger()) as connection:
        assert lower_levels(connection) == {}, "a ledger of before has no such table"
        connection.execute(TABLE)
        write_remarks(connection, "ivo://a/1", UNUSUAL)
        write_remarks(connection, "ivo://a/1", USUAL)
        assert lower_levels(connection) == {"ivo://a/1": Level.STRUCTURE}
        connection.execute("UPDATE spectrum SET sha256 = 'another'")
        assert lower_levels(connection) == {}
