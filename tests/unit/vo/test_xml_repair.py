"""XML that services get wrong is mended; sound XML passes as it is, in pieces of any size."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.vo.votable_model import VotableError
from harvester.vo.xml_repair import XmlRepair


def mended(document: bytes, size: int = 1 << 16) -> bytes:
    repair = XmlRepair()
    pieces = [document[at : at + size] for at in range(0, len(document), size)]
    return b"".join([*(repair.feed(piece) for piece in pieces), repair.feed(b"", last=True)])


def text_of(document: bytes, size: int = 1 << 16) -> str | None:
    # The declared encoding is that of the original; what is mended is UTF-8.
    return ET.fromstring(mended(document, size), parser=ET.XMLParser(encoding="utf-8")).text


HEAD = b'<?xml version="1.0" encoding="UTF-8"?>'


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 16])
@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b"\n \n" + HEAD + b"<a>x</a>", "x"),
        (b"\xef\xbb\xbf\n<a>x</a>", "x"),
        (b"<a>x?a=1&b=2</a>", "x?a=1&b=2"),
        (b"<a>x?a=1&amp;b=2 &lt; &#955;</a>", "x?a=1&b=2 < λ"),
        (b"<a>&nbsp;x&eacute;</a>", "\xa0xé"),
        (b"<a>&unknown; &; & </a>", "&unknown; &; & "),
        (HEAD + "<a>Ondřejov </a>".encode() + b"", "Ondřejov "),
        (HEAD + b"<a>Universit\xe9 de G\xe9n\xe8ve</a>", "Université de Génève"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>', "é"),
        (b"<a>x\x00\x0by&#0;&#x1F;z</a>", "x  y  z"),
        (b'<a><![CDATA["http://a/x?a=1&amp;b=2"]]>&amp;</a>', '"http://a/x?a=1&amp;b=2"&'),
        (b"<a><![CDATA[a & b <c> ]] ]]>&eacute;<![CDATA[&]]></a>", "a & b <c> ]] é&"),
        ("<a>λ</a>".encode("utf-16"), "λ"),
    ],
)
def test_what_services_get_wrong_is_mended(document: bytes, text: str, size: int) -> None:
    assert text_of(document, size) == text


def test_an_encoding_that_is_not_known_is_refused() -> None:
    with pytest.raises(VotableError, match="unknown encoding klingon"):
        mended(b'<?xml version="1.0" encoding="klingon"?><a/>')


PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=30)


@given(PLAIN, PLAIN, st.integers(1, 40))
def test_sound_documents_say_what_they_said(before: str, inside: str, size: int) -> None:
    cdata = inside.replace("]]>", "")
    element = ET.Element("a")
    element.text = before
    sound = ET.tostring(element).replace(b"</a>", f"<![CDATA[{cdata}]]></a>".encode()) if before else b""
    if sound:
        assert text_of(sound, size) == before + cdata


@given(st.binary(max_size=60), st.integers(1, 20))
def test_no_bytes_are_too_odd_and_pieces_do_not_matter(document: bytes, size: int) -> None:
    try:
        whole = mended(document)
    except VotableError:
        return
    assert mended(document, size).decode() == whole.decode()
