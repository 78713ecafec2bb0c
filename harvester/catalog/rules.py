"""Say how the rows of a catalog become spectra of one archive."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.target import SpectrumId, parse_did
from .did_index import without_ending


@dataclass(frozen=True, slots=True)
class CatalogRules:
    """How rows become spectra.

    id_prefix: what precedes a bare name (``sh270028``) or file name in the archive's DIDs; '' takes DIDs only.
    label_column: the column in which two rows of one DID should agree. takes_any: the archive has no DIDs, any text
    identifies a spectrum. all_faults: list all faulty rows. in_python: the user gives settings by their names, not as
    options.
    """

    id_column: str = "id"
    id_prefix: str = ""
    label_column: str = "label"
    takes_any: bool = False
    all_faults: bool = False
    in_python: bool = False

    def option(self, name: str, value: str) -> str:
        """Return how the user gives a setting, on the command line or in Python."""
        return f"{name}={value}" if self.in_python else f"--{name.replace('_', '-')} {value}"

    def resolve(self, text: str) -> SpectrumId | None:
        """Return the DID that a bare name or a file name stands for, None if there is none."""
        if not self.id_prefix or not text or "://" in text:
            return None
        stem = without_ending(text.replace("\\", "/").rpartition("/")[2])
        try:
            return parse_did(self.id_prefix + stem) if stem and " " not in stem else None  # "HD 217476" is a star
        except ValueError:
            return None


USUAL = CatalogRules()
