"""VOTables of the forms that archives serve spectra in, written by astropy, each with the numbers that it means."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from astropy.io.votable import from_table
from astropy.io.votable.tree import Param
from astropy.table import Table

from tests.support.spectral_files import ERROR, FLUX, WAVE, Array

SERIALIZATIONS = ("tabledata", "binary", "binary2")
UTYPES = {
    "wave": "spec:Spectrum.Data.SpectralAxis.Value",
    "flux": "spec:Spectrum.Data.FluxAxis.Value",
    "error": "spec:Spectrum.Data.FluxAxis.Accuracy.StatError",
}
PARAMS: tuple[dict[str, str], ...] = (
    {"name": "pubdid", "utype": "spec:Spectrum.Curation.PublisherDID", "value": "ivo://a/b"},
    {"name": "target", "utype": "spec:Spectrum.Target.Name", "value": "HD 50975"},
    {"name": "pos", "utype": "spec:Spectrum.Target.Pos", "value": "103.8 -10.6"},
)


def votable(
    columns: dict[str, Array],
    units: dict[str, str] | None = None,
    utypes: dict[str, str] | None = None,
    params: tuple[dict[str, str], ...] = PARAMS,
    form: str = "tabledata",
) -> bytes:
    """Return a VOTable with these columns in the serialization ``form``."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        document = from_table(Table(columns))
        table = document.get_first_table()
        for field in table.fields:
            field.unit = (units or {}).get(field.name)
            field.utype = (utypes or {}).get(field.name)
        table.params.extend(Param(document, datatype="char", arraysize="*", **about) for about in params)
        document.to_xml(out, tabledata_format=form)
    return out.getvalue()


def spectrum_votable(form: str = "tabledata", one_row: bool = False, **more: Any) -> bytes:
    """Return wavelengths in Angstrom, flux and error as points, or as arrays in one row."""
    arrays = {"wave": WAVE, "flux": FLUX, "error": ERROR}
    if one_row:
        arrays = {name: values[np.newaxis] for name, values in arrays.items()}
    return votable(arrays, {"wave": "Angstrom"}, UTYPES, form=form, **more)
