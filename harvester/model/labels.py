"""What a catalog's labels are called and mean (``[labels]``): known to whoever made them, never to code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Labelling:
    """Where labels are and what they mean. A label without a name is shown as it is."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    column: str = "label"
    """The catalog's column with the labels."""
    emission: tuple[str, ...] = ()
    """The labels of spectra with emission in H-alpha; none if nobody said."""
    names: dict[str, str] = field(default_factory=dict)
    """What to call each label where people read it."""

    def named(self, label: str) -> str:
        """The label as people read it: ``0 emission``."""
        name = self.names.get(label, "")
        return f"{label} {name}" if name and name != label else label
