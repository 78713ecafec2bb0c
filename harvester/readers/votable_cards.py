"""The metadata of a VOTable as cards.

So one set of rules reads what is observed from any format.

The Spectral Data Model gives each of its UTYPEs a FITS keyword (Spectrum DM 1.1, section 8, table 3): a PARAM with such
a UTYPE becomes that card. Every PARAM is also a card by its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ..fits.cards import Cards, Value
from ..vo.votable_model import VotableField

_KEYWORDS = {
    "curation.publisherdid": "DS_IDPUB",
    "dataid.creatordid": "DS_IDENT",
    "dataid.title": "TITLE",
    "target.name": "OBJECT",
    "char.timeaxis.coverage.location.value": "TMID",
    "char.timeaxis.coverage.bounds.start": "TSTART",
    "char.timeaxis.coverage.bounds.stop": "TSTOP",
    "char.timeaxis.coverage.bounds.extent": "TELAPSE",
    "char.timeaxis.coverage.support.extent": "EXPOSURE",
    "coordsys.spaceframe.name": "RADESYS",
    "coordsys.spaceframe.equinox": "EQUINOX",
}
_POSITIONS = {
    "target.pos": ("RA_TARG", "DEC_TARG"),
    "char.spatialaxis.coverage.location.value": ("RA", "DEC"),
}
_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "day": 86_400.0}
_DURATIONS = frozenset({"TELAPSE", "EXPOSURE", "EXPTIME"})
_WHOLE, _REAL = frozenset({"short", "int", "long", "unsignedbyte"}), frozenset({"float", "double"})


_COOSYS = re.compile(rb"<(?:[\w.-]+:)?COOSYS\b([^>]*)>")
_ATTRIBUTE = re.compile(rb"\b(system|equinox)\s*=\s*[\"']([^\"']*)[\"']")


class VotableCards(Cards):
    """Cards made of the PARAMs of a table."""

    __slots__ = ("_cards", "_units")

    def __init__(self, cards: Mapping[str, Value], units: Mapping[str, str] | None = None) -> None:
        self._cards, self._units = cards, units or {}

    def comment(self, name: str) -> str:
        """Return the unit of a PARAM in brackets, as comments on cards have it."""
        unit = self._units.get(name, "")
        return f"[{unit}]" if unit else ""

    def __getitem__(self, name: str) -> Value:
        return self._cards[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)


def cards_of(params: Sequence[VotableField]) -> VotableCards:
    """Return the cards that ``params`` make; of several with one meaning the first counts."""
    cards: dict[str, Value] = {}
    for param in params:
        for name, value in _standard(param):
            cards.setdefault(name, value)
    units: dict[str, str] = {}
    for param in params:
        own, name = _value(param), (param.name or param.id).strip().upper()
        if own is not None and name not in cards:
            cards[name], units[name] = own, param.unit.strip()
    return VotableCards(cards, units)


def frame_cards(opening: bytes) -> dict[str, Value]:
    """Return the cards that the COOSYS elements of a document make.

    They are reference system and equinox. None where there are no such elements, or several that differ: which one a
    position refers to is not looked up.
    """
    found = set(_COOSYS.findall(opening))
    attributes = dict(_ATTRIBUTE.findall(found.pop())) if len(found) == 1 else {}
    system = attributes.get(b"system", b"").decode("latin-1").strip().removeprefix("eq_").upper()
    if system not in ("FK4", "FK5", "ICRS"):
        return {}
    equinox = attributes.get(b"equinox", b"").decode("latin-1").strip()
    return {"RADESYS": system} | ({"EQUINOX": equinox} if equinox else {})


def _standard(param: VotableField) -> Iterator[tuple[str, Value]]:
    """Yield the cards that the standard has for the UTYPE of ``param``."""
    role = param.role.removeprefix("spectrum.")
    value = _value(param)
    if value is None:
        return
    if role in _POSITIONS:
        parts = str(value).replace(",", " ").split()
        if len(parts) == 2:  # right ascension and declination
            yield from zip(_POSITIONS[role], map(_number_or_text, parts), strict=True)
    elif role in _KEYWORDS:
        name = _KEYWORDS[role]
        if name == "TMID" and isinstance(value, str):
            yield "DATE-AVG", value
        elif name in _DURATIONS and isinstance(value, (int, float)) and param.unit.strip() in _SECONDS:
            yield name, value * _SECONDS[param.unit.strip()]
        else:
            yield name, value


def _value(param: VotableField) -> Value | None:
    """Return the value in the type that ``param`` declares, None where it is blank."""
    text = (param.value or "").strip()
    datatype = param.datatype.strip().casefold()
    if not text:
        return None
    if datatype == "boolean":
        return text.casefold() in ("t", "true", "1")
    return _number_or_text(text) if datatype in _WHOLE | _REAL else text


def _number_or_text(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
