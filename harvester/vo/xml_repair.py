"""Repair, piece by piece, what genuine services get wrong in their XML.

A strict parser can read the result.

Repaired are: blank lines or a script's warnings before the declaration, a bare ``&``, HTML's entities (``&nbsp;``),
bytes of Latin-1 in what is declared as UTF-8, control characters and references to them. CDATA is left as it is. Sound
documents pass unchanged.
"""

from __future__ import annotations

import codecs
import re
from html.entities import html5

from .votable_model import VotableError

_LONGEST_REFERENCE = 40  # characters of an entity reference, which a piece may end in the middle of
_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_MARKS = re.compile(r"<!\[CDATA\[|&(?:#[0-9]{1,8};|#[xX][0-9a-fA-F]{1,8};|[A-Za-z][A-Za-z0-9]{1,31};)?")
_XML_ENTITIES = frozenset({"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"})
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DECLARATION = re.compile(r"""\s*<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_LONGEST_HEAD = 1024  # bytes in which the declaration must end
_LONGEST_PREFACE = 64 * 1024  # bytes of remarks that a script may print before its answer
_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?(?:VOTABLE|tableset)\b", re.IGNORECASE)
_BEGINNING = re.compile(rb"<\?xml\b|" + _ROOT.pattern, re.IGNORECASE)
_SINGLE_BYTES = "cp1252"  # what is no UTF-8 is taken for this, Latin-1 with the marks of Windows


def _as_single_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return bad.decode(_SINGLE_BYTES, "replace"), error.end


codecs.register_error("harvester-latin", _as_single_bytes)


class XmlRepair:
    """Takes the bytes of a document in pieces and returns them repaired, in UTF-8.

    VotableError for an encoding that is not known.
    """

    def __init__(self) -> None:
        self._head = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._held = ""
        self._in_cdata = False

    def feed(self, piece: bytes, last: bool = False) -> bytes:
        """Return what ``piece`` completed; nothing while the declaration is awaited."""
        if self._decoder is None:
            self._head += piece
            if not last and not self._has_head():
                return b""
            piece, self._head = self._head, b""
            self._decoder, piece = self._begin(piece)
        text = self._held + self._decoder.decode(piece, last)
        self._held = ""
        return self._mended(text, last).encode()

    def _has_head(self) -> bool:
        """Return whether the declaration is complete, and what precedes it."""
        if len(self._head) < _LONGEST_HEAD and b">" not in self._head:
            return False
        if len(self._head) >= _LONGEST_PREFACE or _needs_no_preface(self._head):
            return True
        found = _BEGINNING.search(self._head)
        return found is not None and b">" in self._head[found.start() :]

    def _begin(self, head: bytes) -> tuple[codecs.IncrementalDecoder, bytes]:
        """Return the decoder for the document, and its beginning without what precedes the XML."""
        if head.startswith(_WIDE_MARKS):
            name = "utf-32" if head.startswith(_WIDE_MARKS[2:]) else "utf-16"
            return codecs.getincrementaldecoder(name)("replace"), head
        if head.startswith((b"<\0", b"\0<")):
            return codecs.getincrementaldecoder("utf-16-le" if head.startswith(b"<\0") else "utf-16-be")(
                "replace"
            ), head
        if not _needs_no_preface(head) and (found := _BEGINNING.search(head, 0, _LONGEST_PREFACE)):
            head = head[found.start() :]  # a script's warnings come first
        head = head.removeprefix(codecs.BOM_UTF8).lstrip()
        declared = _DECLARATION.match(head[:_LONGEST_HEAD].decode("latin-1"))
        name = declared[1].lower() if declared else "utf-8"
        try:
            "".encode(name)
        except (LookupError, ValueError):
            raise VotableError(f"it cannot be read: unknown encoding {name}") from None
        if codecs.lookup(name).name.startswith(("ascii", "utf")):  # wide ones would have begun otherwise
            return codecs.getincrementaldecoder("utf-8")("harvester-latin"), head
        return codecs.getincrementaldecoder(name)("replace"), head

    def _mended(self, text: str, last: bool) -> str:
        text = _CONTROLS.sub(" ", text)
        if not self._in_cdata and "&" not in text and "<" not in text[-len(_CDATA) :] and _CDATA not in text:
            return text
        parts: list[str] = []
        at = 0
        while at < len(text):
            at, part = self._cdata(text, at, last) if self._in_cdata else self._markup(text, at, last)
            parts.append(part)
            if self._held:
                break
        return "".join(parts)

    def _cdata(self, text: str, at: int, last: bool) -> tuple[int, str]:
        """Return where CDATA ends and its text, which is not changed."""
        end = text.find(_CDATA_END, at)
        if end >= 0:
            self._in_cdata = False
            return end + len(_CDATA_END), text[at : end + len(_CDATA_END)]
        kept = 0 if last else len(_CDATA_END) - 1
        self._held = text[max(at, len(text) - kept) :] if kept else ""
        return len(text), text[at : len(text) - len(self._held)]

    def _markup(self, text: str, at: int, last: bool) -> tuple[int, str]:
        """Return where the next CDATA begins or the text ends, and what is before, repaired."""
        parts: list[str] = []
        for mark in _MARKS.finditer(text, at):
            parts.append(text[at : mark.start()])
            at = mark.end()
            if mark[0] == _CDATA:
                self._in_cdata = True
                return at, "".join(parts) + _CDATA
            if mark[0] == "&" and not last and ";" not in text[at:] and len(text) - at < _LONGEST_REFERENCE:
                self._held = text[mark.start() :]
                return len(text), "".join(parts)
            parts.append(_reference(mark[0]))
        rest = text[at:]
        opening = rest.rfind("<", max(0, len(rest) - len(_CDATA) + 1))
        if not last and opening >= 0 and _CDATA.startswith(rest[opening:]):
            self._held, rest = rest[opening:], rest[:opening]
        return len(text), "".join(parts) + rest


def _needs_no_preface(head: bytes) -> bool:
    """Return whether a document begins as XML does, or as nothing that has XML in it."""
    if head.startswith((*_WIDE_MARKS, b"<\0", b"\0<")):
        return True
    head = head.removeprefix(codecs.BOM_UTF8).lstrip()
    return head.startswith((b"<?xml", b"<!")) or _ROOT.match(head) is not None


def _reference(text: str) -> str:
    """Return what stands for an entity reference or a bare ``&`` in XML."""
    if text in _XML_ENTITIES:
        return text
    if text.startswith("&#"):
        number = int(text[3:-1], 16) if text[2] in "xX" else int(text[2:-1])
        return text if _is_character(number) else " "
    known = html5.get(text[1:])
    if known is not None and len(text) > 1:
        return "".join(f"&#{ord(mark)};" for mark in known)
    return f"&amp;{text[1:]}"


def _is_character(number: int) -> bool:
    """Return whether XML 1.0 allows that character (section 2.2)."""
    if number < 0x20:
        return number in (0x9, 0xA, 0xD)
    return number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or 0x10000 <= number <= 0x10FFFF
