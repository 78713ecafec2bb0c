"""The page of formats: every form of file that the tests make, verified as a run would verify it."""

from __future__ import annotations

from harvester.model.expectation import Expectation
from harvester.model.outcomes import VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.readers.spectrum_file import read_spectrum
from harvester.verify import verify_spectrum
from tests.docs.markdown import table
from tests.support.spectral_files import FORMS
from tests.support.votable_files import SERIALIZATIONS, spectrum_votable

LIKE = {
    "ivoa utypes": "Ondřejov and other DaCHS archives, ESO Phase 3",
    "ucds": "archives that describe columns by TUCD alone",
    "usual names": "CALSPEC, FUSE, JWST",
    "PypeIt names": "PypeIt",
    "SDSS": "SDSS, BOSS",
    "variance": "DEIMOS",
    "arrays in one row": "ESO Phase 3, HST x1d",
    "linear image": "HARPS s1d, MILES, BeSS",
    "unit in CTYPE1": "UVES pipeline",
    "DC-FLAG": "LAMOST, SDSS, KODIAQ, MagE",
    "multispec, linear": "IRAF echelles, AAO",
    "multispec, log-linear": "IRAF echelles",
    "labelled rows": "LAMOST",
    "IRAF bands": "IRAF apall",
    "tile-compressed": "fpack",
    "IUE low dispersion": "IUE",
}
"""Archives and programs whose files have a form, where some are known by name."""
VOTABLES = {"tabledata": "TABLEDATA", "binary": "BINARY", "binary2": "BINARY2"}
TOLERANT = Expectation(identity_card=None, step_tolerance=None, strict=False)


def formats_page() -> str:
    """Return the table of the forms of files that are read."""
    rows = [_row(f"FITS: {name}", LIKE.get(name, ""), made.body) for name, made in FORMS.items()]
    for form in SERIALIZATIONS:
        for one_row in (False, True):
            shape = "arrays in one row" if one_row else "one point a row"
            rows.append(_row(f"VOTable: {VOTABLES[form]}, {shape}", "", spectrum_votable(form, one_row)))
    rows.append(
        ("what only specutils or astropy know", "APOGEE, 6dFGS, MaNGA and others", "external", "as they say", "")
    )
    return f"""
# Formats

Each form was made as a file and verified as in a run. Level: how far such a file is verified. What is refused, and in
which words, is among the [messages](messages.md); what settles doubts, in the
[guide](../guide/other-archives.md#what-files-may-look-like).

{table(("form", "like files of", "level", "uncertainty", "remark"), rows)}
"""


def _row(form: str, archives: str, body: bytes) -> tuple[str, str, str, str, str]:
    verified = verify_spectrum(body, SpectrumId("ivo://a/b"), TOLERANT)
    assert isinstance(verified, VerifiedSpectrum), f"{form}: {verified}"
    uncertainty = "" if read_spectrum(body).uncertainty is None else "yes"
    return form, archives, verified.level.value, uncertainty, "; ".join(verified.remarks)
