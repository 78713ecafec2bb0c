"""The values of a file's header by keyword, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import malformed

Value = str | float | int | bool


class Cards(Mapping[str, Value]):
    """The values of a header by keyword.

    Keywords are those of FITS: other formats give their metadata the cards that the standard has for them.
    """

    __slots__ = ()

    def value(self, name: str) -> Value | None:
        """Return the value of a card that the file's meaning depends on, None where there is none."""
        return self.get(name)

    def comment(self, name: str) -> str:
        """Return the comment on the first card of that name, '' where there is none."""
        return ""

    def fields(self, *names: str) -> list[bytes]:
        """Return what stands behind the keyword of each card with one of these names."""
        return []

    def numbered(self, stem: str, most: int) -> dict[int, str]:
        """Return the texts of the cards ``stem`` 1 to ``most``, by their numbers."""
        found = ((number, self.get(f"{stem}{number}")) for number in range(1, most + 1))
        return {number: str(value) for number, value in found if value is not None}

    def integer(self, name: str, lowest: int, highest: int) -> int:
        """Return the value of a mandatory card.

        InvalidSpectrumError unless it is an integer from ``lowest`` to ``highest``.
        """
        value = self.value(name)
        if value is None:
            raise malformed(f"the header has no {name} card with a value")
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise malformed(f"the header says {name} = {value!r}, not an integer from {lowest} to {highest}")
        return value

    def text(self, name: str) -> str:
        """Return the string of an optional card, '' where there is none.

        InvalidSpectrumError if it is no string.
        """
        value = self.value(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise malformed(f"the header says {name} = {value!r}, not a string")
        return value

    def real(self, name: str) -> float | None:
        """Return the number of an optional card, None where there is none.

        InvalidSpectrumError if it is no number.
        """
        value = self.value(name)
        if isinstance(value, (bool, str)):
            raise malformed(f"the header says {name} = {value!r}, not a number")
        return None if value is None else _as_float(value)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return float("inf")
