"""Units of length, and the zero of modified Julian dates."""

from __future__ import annotations

METRES = {
    "angstrom": 1e-10, "angstroms": 1e-10, "aa": 1e-10, "a": 1e-10, "0.1nm": 1e-10, "0.1 nm": 1e-10,
    "nm": 1e-9, "um": 1e-6, "micron": 1e-6, "microns": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0,
}  # fmt: skip
