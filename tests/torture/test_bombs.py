"""Documents and files that are small and mean something endless: refused, with little memory."""

from __future__ import annotations

import base64
import struct
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import pytest

from harvester.fits.errors import InvalidSpectrumError
from harvester.fits.reader import read_spectrum
from harvester.vo.vosi import read_tables
from harvester.vo.votable import read_votable
from harvester.vo.votable_model import VotableError

MOST = 48 * 2**20  # bytes of memory
HUGE = 2**40


def card(key: str, value: object) -> str:
    return f"{key:<8}= {value:>20}".ljust(80)


def header(*cards: str) -> bytes:
    text = "".join(cards) + "END".ljust(80)
    return text.ljust(-(-len(text) // 2880) * 2880).encode()


def image(*cards: str, bitpix: int = -64) -> bytes:
    return header(card("SIMPLE", "T"), card("BITPIX", bitpix), *cards)


def table(width: int, rows: int, fields: int, form: str, heap: int = 0) -> bytes:
    size = [card("NAXIS1", width), card("NAXIS2", rows), card("PCOUNT", heap), card("GCOUNT", 1)]
    forms = [card(f"TFORM{number}", f"'{form}'") for number in range(1, min(fields, 999) + 1)]
    about = ["XTENSION= 'BINTABLE'".ljust(80), card("BITPIX", 8), card("NAXIS", 2), *size, card("TFIELDS", fields)]
    return image(card("NAXIS", 0), bitpix=8) + header(*about, *forms)


FILES: dict[str, Callable[[], bytes]] = {
    "a huge image": lambda: image(card("NAXIS", 2), card("NAXIS1", HUGE), card("NAXIS2", HUGE)),
    "a negative image": lambda: image(card("NAXIS", 1), card("NAXIS1", -5)) + bytes(2880),
    "999 axes": lambda: image(card("NAXIS", 999), *(card(f"NAXIS{n}", 1) for n in range(1, 1000))) + bytes(2880),
    "huge rows": lambda: table(16, HUGE, 2, "D") + bytes(2880),
    "rows of no width": lambda: table(0, HUGE, 0, "D"),
    "a huge repeat count": lambda: table(16, 1, 2, f"{HUGE}D") + bytes(2880),
    "a huge variable array": lambda: (
        table(8, 1, 1, "1PD", 16) + struct.pack(">ii", 2**31 - 1, 0).ljust(2880, b"\0")
    ),
    "2,000,000,000 fields": lambda: table(16, 1, 2 * 10**9, "D") + bytes(2880),
    "a negative heap": lambda: table(16, 1, 2, "D", -100_000) + bytes(2880),
    "thousands of HDUs": lambda: table(8, 0, 1, "D") * 2000,
    "a header without end": lambda: image(*["COMMENT x".ljust(80)] * 60_000),
}  # fmt: skip


def least_memory(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_declares_more_than_it_has_is_refused(name: str) -> None:
    body = FILES[name]()

    def read() -> None:
        with pytest.raises(InvalidSpectrumError):
            read_spectrum(body)

    assert least_memory(read) < MOST


def document(content: bytes) -> bytes:
    return b'<VOTABLE version="1.4"><RESOURCE type="results">' + content + b"</RESOURCE></VOTABLE>"


def rows(field: bytes, data: bytes, binary: bool = True) -> bytes:
    packed = b'<BINARY><STREAM encoding="base64">' + base64.b64encode(data) + b"</STREAM></BINARY>"
    return document(b"<TABLE>" + field + b"<DATA>" + (packed if binary else data) + b"</DATA></TABLE>")


TEXT = b'<FIELD name="a" datatype="char" arraysize="*"/>'
DOCUMENTS = {
    "elements without end": document(b"<RESOURCE>" * 100_000),
    "a long attribute": b'<VOTABLE x="' + b"x" * 9_000_000 + b'"/>',
    "entities": b'<!DOCTYPE a [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><VOTABLE>&b;</VOTABLE>',
    "a million columns": rows(TEXT * 10_000, b""),
    "a long cell": rows(TEXT, b"<TABLEDATA><TR><TD>" + b"x" * 9_000_000 + b"</TD></TR></TABLEDATA>", binary=False),
    "a huge length": rows(TEXT, struct.pack(">I", 2**32 - 1) + b"abc"),
    "a huge array": rows(b'<FIELD name="a" datatype="double" arraysize="99999999999x99999999999"/>', b"a" * 100),
    "an empty array": rows(b'<FIELD name="a" datatype="double" arraysize="0"/>', b"a" * 100),
    "a long comment": b"<!--" + b"-x" * 4_500_000 + b"--><VOTABLE/>",
}


def in_pieces(body: bytes) -> Iterator[bytes]:
    return (body[at : at + 65536] for at in range(0, len(body), 65536))


def exhaust(events: Iterable[object]) -> None:
    for _ in events:
        pass


@pytest.mark.parametrize("read", [read_votable, read_tables])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_without_end_is_refused(name: str, read: Callable[[Iterable[bytes]], Iterable[object]]) -> None:
    def refused() -> None:
        with pytest.raises(VotableError):
            exhaust(read(in_pieces(DOCUMENTS[name])))

    assert least_memory(refused) < MOST
