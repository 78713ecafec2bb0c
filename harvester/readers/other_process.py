"""The process in which specutils and astropy read what none of our readers knows.

It takes files from its standard input (length, ``f`` or ``v`` for the format, bytes) and answers each with a length,
JSON (reader, unit of flux, points of each segment, names of the arrays) and the arrays, until its input ends. Its last
argument is the folder for these files. It removes that at its end; its parent does where it is killed.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import struct
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

MOST_MEMORY = 4 << 30  # bytes of address space; both packages take half a gigabyte of it
_LENGTH = struct.Struct(">Q")
_GENERIC = ("tabular-fits", "wcs1d-fits", "ECSV", "ASCII", "IPAC")
_MOST_POINTS = 2**24


def main() -> None:
    """Read files until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what readers print is no answer
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    folder = Path(sys.argv[-1])
    while (request := _request(sys.stdin.buffer)) is not None:
        path = folder / ("spectrum.xml" if request[:1] == b"v" else "spectrum.fits")
        path.write_bytes(request[1:])
        answer = _answer(str(path), request[:1] == b"v")
        answers.write(_LENGTH.pack(len(answer)) + answer)
        answers.flush()
    shutil.rmtree(folder, ignore_errors=True)  # the process that started it was killed, or removes it as well


def _request(stream: BinaryIO) -> bytes | None:
    head = stream.read(_LENGTH.size)
    return stream.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else None


def _answer(path: str, is_votable: bool) -> bytes:
    """Return what the first reader that knows the file finds in it."""
    for name, read in _readers(path, is_votable):
        try:
            return _packed(name, [_Segment(spectrum) for spectrum in read()])
        except Exception:  # noqa: BLE001, S112 - a reader that fails, in whatever way, does not know the file
            continue
    return _packed("", [])


def _readers(path: str, is_votable: bool) -> Iterator[tuple[str, Callable[[], Sequence[Any]]]]:
    """Yield the readers that may know the file, those of one instrument first."""
    from astropy.io import registry
    from astropy.table import QTable
    from specutils import Spectrum, SpectrumList
    from specutils.io.parsing_utils import generic_spectrum_from_table

    if not is_votable:
        for kind in (Spectrum, SpectrumList):
            found = registry.identify_format("read", kind, path, None, (path,), {})
            for form in sorted(found, key=lambda form: form in _GENERIC):
                yield f"specutils ({form})", partial(_read, kind, path, form)
    form = "votable" if is_votable else "fits"
    yield f"astropy ({form})", lambda: [generic_spectrum_from_table(QTable.read(path, format=form))]


def _read(kind: Any, path: str, form: str) -> Sequence[Any]:
    found = kind.read(path, format=form)
    return list(found) if isinstance(found, list) else [found]


class _Segment:
    """The arrays of one spectrum of specutils, wavelengths in Angstrom.

    An exception for what is no single spectrum.
    """

    def __init__(self, spectrum: Any) -> None:
        import astropy.units as u
        from astropy.nddata import StdDevUncertainty

        wave = spectrum.spectral_axis.to_value(u.AA, u.spectral())
        flux = np.asarray(spectrum.flux.value, np.float64)
        if flux.ndim != 1 or flux.shape != wave.shape or not 2 <= flux.size <= _MOST_POINTS:
            raise ValueError
        self.unit = spectrum.flux.unit.to_string()
        self.arrays = {"wave": np.asarray(wave, np.float64), "flux": flux}
        if spectrum.uncertainty is not None:
            self.arrays["uncertainty"] = spectrum.uncertainty.represent_as(StdDevUncertainty).array
        if spectrum.mask is not None:
            self.arrays["mask"] = np.asarray(spectrum.mask) != 0


def _packed(reader: str, segments: Sequence[_Segment]) -> bytes:
    names = [name for name in segments[0].arrays if all(name in one.arrays for one in segments)] if segments else []
    if reader and len({one.unit for one in segments}) != 1:  # none at all, or several units
        raise ValueError
    arrays = [np.concatenate([one.arrays[name] for one in segments]) for name in names]
    about = {
        "reader": reader,
        "flux_unit": segments[0].unit if segments else "",
        "lengths": [one.arrays["wave"].size for one in segments],
        "arrays": names,
    }
    words = json.dumps(about).encode()
    return _LENGTH.pack(len(words)) + words + b"".join(np.asarray(array, np.float64).tobytes() for array in arrays)


if __name__ == "__main__":
    main()
