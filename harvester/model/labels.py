"""Names and meanings of a catalog's labels (``[labels]``).

The user knows them, the program does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Labelling:
    """The column of labels and what they mean; a label without a name is shown as it is."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    column: str = "label"
    """The catalog's column of labels."""
    emission: tuple[str, ...] = ()
    """The labels of spectra with emission in H-alpha; without any, the emission check is skipped."""
    names: dict[str, str] = field(default_factory=dict)
    """The name of each label for people."""

    def named(self, label: str) -> str:
        """Return the label with its name, like ``0 emission``."""
        name = self.names.get(label, "")
        return f"{label} {name}" if name and name != label else label
