"""The identity gate: the file names, to the letter, the publisher DID that was asked for."""

from __future__ import annotations

from ..failures import FailureKind
from ..outcomes import Gate
from ..spectra import SpectrumId
from .cards import Header
from .quoting import quote
from .rejection import RejectedError


def check_identity(did: SpectrumId, card: str | None, *headers: Header) -> None:
    """RejectedError unless ``card`` is in one of ``headers`` and equals ``did`` in each that has it."""
    if card is None:
        return
    names = [name for header in headers if (name := header.value(card)) is not None]
    if not names:
        detail = f"the file does not say which spectrum it is: it has no {card} card"
        raise RejectedError(Gate.IDENTITY, FailureKind.UNNAMED, detail)
    for name in names:
        if name != did:
            came, asked = quote(str(name).encode()), quote(did.encode())
            detail = f"another spectrum came: {card} is {came}, asked for was {asked}"
            raise RejectedError(Gate.IDENTITY, FailureKind.WRONG_SPECTRUM, detail)
