"""Whether wavelengths are of air or of vacuum.

What the file says goes before what the profile says.
"""

from __future__ import annotations

import re

from ..model.units import AxisKind
from .cards import Cards
from .spectrum import Spectrum

_AIR, _VACUUM = "Air", "Vacuum"
_WORDS = {"air": _AIR, "vacuum": _VACUUM, "vac": _VACUUM}
_TRUE, _FALSE = frozenset({"T", "TRUE", "1", "1.0", "YES"}), frozenset({"F", "FALSE", "0", "0.0", "NO"})
_IN_SENTENCE = re.compile(r"\b(air|vac(?:uum)?)\b(?!\s*-?mass)")
_CONVERTED = re.compile(r"\bto (air|vac(?:uum)?)\b")
_NAME = re.compile(r"(?i)(?:^|[^a-z])(air|vac(?:uum)?)(?:$|[^a-z])|(?:wave|lambda|lam|wl|wavelength)(air|vac)$|^awav")


def medium_of(spectrum: Spectrum) -> tuple[str, tuple[str, ...]]:
    """Return ``Air``, ``Vacuum`` or '', and a remark.

    The remark says where cards of the file contradict each other.
    """
    said = _said(spectrum)
    media = set(said.values())
    if len(media) == 1:
        return media.pop(), ()
    remarks: tuple[str, ...] = ()
    if media:
        cards = ", ".join(f"{card} says {medium}" for card, medium in said.items())
        remarks = (f"the file contradicts itself about air and vacuum: {cards}",)
    elif set(spectrum.ucd.split(";")) - {"meta.main"} == {"em.wl"}:
        # The IVOA's word for vacuum, which ESO's files use strictly: weaker than any words about air.
        return _VACUUM, ()
    return spectrum.conventions.medium.capitalize(), remarks


def _said(spectrum: Spectrum) -> dict[str, str]:
    """Return what each card says."""
    header, axis = spectrum.table, spectrum.axis
    said: dict[str, str] = {}
    in_words = _of_sentence(_words_of_axis(header, axis))
    if in_words:
        said[f"TTYPE{axis} or TCOMM{axis}"] = in_words
    name = _NAME.search(spectrum.meanings["wave"].name if "wave" in spectrum.meanings else "")
    if name:
        field = f"TTYPE{axis}" if f"TTYPE{axis}" in header else "the name of the wavelengths"
        said[field] = _VACUUM if (name[1] or name[2] or "air").lower().startswith("vac") else _AIR
    if spectrum.original is not None and spectrum.original.kind is not AxisKind.WAVELENGTH:
        said[f"the axis of {spectrum.original.kind}"] = _VACUUM  # light has one frequency in both: c / frequency
    if "obs.atmos" in spectrum.ucd.split(";"):
        said[f"TUCD{axis}"] = _AIR
    ctype = str(header.get("CTYPE1", "")).strip().upper()
    if re.fullmatch(r"(WAVE|AWAV)(-[A-Z0-9]{3})?", ctype):
        said["CTYPE1"] = _AIR if ctype.startswith("A") else _VACUUM
    for card, meanings in (("VACUUM", _of_vacuum), ("AIRORVAC", _of_word)):
        medium = next((found for one in (header, spectrum.primary) if (found := meanings(one.get(card)))), "")
        if medium:
            said[card] = medium
    return said


def _of_sentence(words: str) -> str:
    """Return the medium that a comment names.

    Of two, the one that wavelengths were converted to; '' if it names both otherwise, or none.
    """
    found = _CONVERTED.findall(words.lower()) or _IN_SENTENCE.findall(words.lower())
    media = {_WORDS[word] for word in found}
    return media.pop() if len(media) == 1 else ""


def _of_vacuum(value: object) -> str:
    if value is None:
        return ""
    text = "T" if value is True else "F" if value is False else str(value).strip().upper()
    return _VACUUM if text in _TRUE else _AIR if text in _FALSE else ""


def _of_word(value: object) -> str:
    return _WORDS.get(str(value).strip().lower(), "") if value is not None else ""


def _words_of_axis(header: Cards, axis: int) -> str:
    """Return the words about the spectral column.

    Its TCOMM card, and the comment on its name, where DaCHS has them.
    """
    comments = [field.partition(b"/")[2].decode("ascii", "replace") for field in header.fields(f"TTYPE{axis}")]
    return " ".join([*comments, str(header.get(f"TCOMM{axis}", ""))])
