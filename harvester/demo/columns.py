"""Define the columns of the demo's lists, those of DaCHS 2.7 and the archive's own eleven.

What is the same in all rows is a PARAM (SSAP 1.1, section 4.2.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from .fits import Value, original_size
from .observations import PUBLISHED, SyntheticObservation
from .votables import field, options, param, product_url, spectrum_votable_size

CALIBRATIONS = ("ABSOLUTE", "CALIBRATED", "RELATIVE", "NORMALIZED", "UNCALIBRATED", "ANY")
FITS_MIME, VOTABLE_MIME = "image/fits", "application/x-votable+xml"
DemoColumn = tuple[str, str, str, str, str, str]
"""name, datatype, arraysize, unit, ucd, utype"""
FIELDS: tuple[DemoColumn, ...] = (
    ("ssa_score", "float", "", "", "", "ssa:Query.Score"),
    ("location_ra", "float", "", "deg", "pos.eq.ra;meta.main", "ssa:Char.SpatialAxis.Coverage.Location.Value.C1"),
    ("location_dec", "float", "", "deg", "pos.eq.dec;meta.main", "ssa:Char.SpatialAxis.Coverage.Location.Value.C2"),
    ("accref", "char", "*", "", "meta.ref.url;meta.dataset", "ssa:Access.Reference"),
    ("mime", "char", "*", "", "meta.code.mime", "ssa:Access.Format"),
    ("accsize", "long", "", "byte", "", "ssa:Access.Size"),
    ("ssa_dstitle", "char", "*", "", "meta.title;meta.dataset", "ssa:DataID.Title"),
    ("ssa_creatorDID", "char", "*", "", "meta.id", "ssa:DataID.CreatorDID"),
    ("ssa_pubDID", "char", "*", "", "", "ssa:Curation.PublisherDID"),
    ("ssa_cdate", "char", "*", "", "time;meta.dataset", "ssa:DataID.Date"),
    ("ssa_pdate", "char", "*", "", "", "ssa:Curation.Date"),
    ("ssa_bandpass", "char", "*", "", "instr.bandpass", "ssa:DataID.Bandpass"),
    ("ssa_cversion", "char", "*", "", "meta.version;meta.dataset", "ssa:DataID.Version"),
    ("ssa_targname", "char", "*", "", "meta.id;src", "ssa:Target.Name"),
    ("ssa_targclass", "char", "*", "", "src.class", "ssa:Target.Class"),
    ("ssa_redshift", "float", "", "", "src.redshift", "ssa:Target.Redshift"),
    ("ssa_targetpos", "double", "2", "", "pos.eq;src", "ssa:Target.pos.spoint"),
    ("ssa_snr", "float", "", "", "stat.snr", "ssa:Derived.SNR"),
    ("ssa_location", "double", "2", "deg", "pos.eq", "ssa:Char.SpatialAxis.Coverage.Location.Value"),
    ("ssa_aperture", "float", "", "deg", "phys.angSize;instr.fov", "ssa:Char.SpatialAxis.Coverage.Bounds.Extent"),
    ("ssa_dateObs", "double", "", "d", "time.epoch", "ssa:Char.TimeAxis.Coverage.Location.Value"),
    ("ssa_timeExt", "float", "", "s", "time.duration", "ssa:Char.TimeAxis.Coverage.Bounds.Extent"),
    ("ssa_specmid", "float", "", "m", "em.wl;instr.bandpass", "ssa:Char.SpectralAxis.Coverage.Location.Value"),
    ("ssa_specext", "float", "", "m", "em.wl;instr.bandwidth", "ssa:Char.SpectralAxis.Coverage.Bounds.Extent"),
    ("ssa_specstart", "float", "", "m", "em.wl;stat.min", "ssa:Char.SpectralAxis.Coverage.Bounds.Start"),
    ("ssa_specend", "float", "", "m", "em.wl;stat.max", "ssa:Char.SpectralAxis.Coverage.Bounds.Stop"),
    ("ssa_length", "int", "", "", "", "ssa:Dataset.Length"),
    ("raj2000", "char", "*", "", "pos.eq.ra;meta.main", ""),
    ("dej2000", "char", "*", "", "pos.eq.dec;meta.main", ""),
    ("observer", "char", "*", "", "", ""),
    ("mhjd", "double", "", "", "", ""),
    ("vhelio", "double", "", "", "", ""),
    ("grat_angle", "double", "", "deg", "", ""),
    ("spg_setup", "char", "*", "", "", ""),
    ("detector", "char", "*", "", "", ""),
    ("instrument", "char", "*", "", "", ""),
    ("telescope", "char", "*", "", "", ""),
    ("expval", "double", "", "", "", ""),
    ("preview", "char", "*", "", "meta.ref.url;meta.preview", ""),
)
_HIDDEN: tuple[DemoColumn, ...] = (("owner", "char", "*", "", "", ""), ("embargo", "double", "", "a", "", ""))
_XTYPES = {
    "ssa_cdate": "timestamp",
    "ssa_pdate": "timestamp",
    "ssa_targetpos": "point",
    "ssa_location": "point",
    "ssa_dateObs": "mjd",
}
_ACCURACY = "ssa:Char.FluxAxis.Accuracy"
# name, value, datatype, unit, ucd, utype
_CONSTANTS = (
    ("ssa_model", "Spectrum-1.0", "char", "", "", "ssa:Dataset.DataModel"),
    ("ssa_csysName", "ICRS", "char", "", "", "ssa:CoordSys.SpaceFrame.Name"),
    ("ssa_timeSI", "", "char", "", "", "ssa:Dataset.TimeSI"),
    ("ssa_spectralSI", "Angstrom", "char", "", "", "ssa:Dataset.SpectralSI"),
    ("ssa_spectralucd", "em.wl", "char", "", "meta.ucd", "ssa:Char.SpectralAxis.Ucd"),
    ("ssa_spectralunit", "Angstrom", "char", "", "meta.unit", "ssa:Char.SpectralAxis.Unit"),
    ("ssa_fluxSI", "", "char", "", "", "ssa:Dataset.FluxSI"),
    ("ssa_fluxucd", "phot.flux.density", "char", "", "meta.ucd", "ssa:Char.FluxAxis.Ucd"),
    ("ssa_fluxunit", "count", "char", "", "meta.unit", "ssa:Char.FluxAxis.Unit"),
    ("ssa_dstype", "Spectrum", "char", "", "", "ssa:Dataset.Type"),
    ("ssa_publisher", "ivo://asu.cas.cz/org", "char", "", "meta.curation", "ssa:Curation.Publisher"),
    ("ssa_creator", "", "unicodeChar", "", "", "ssa:DataID.Creator"),
    ("ssa_collection", "", "char", "", "", "ssa:DataID.Collection"),
    ("ssa_instrument", "", "char", "", "meta.id;instr", "ssa:DataID.Instrument"),
    ("ssa_datasource", "pointed", "char", "", "", "ssa:DataID.DataSource"),
    ("ssa_creationtype", "archival", "char", "", "", "ssa:DataID.CreationType"),
    ("ssa_reference", "", "char", "", "meta.bib.bibcode", "ssa:Curation.Reference"),
    (
        "ssa_fluxStatError",
        "",
        "float",
        "count",
        "stat.error;phot.flux.density;em",
        f"{_ACCURACY}.StatError",
    ),
    (
        "ssa_fluxSysError",
        "",
        "float",
        "count",
        "stat.error.sys;phot.flux.density;em",
        f"{_ACCURACY}.SysError",
    ),
    ("ssa_fluxcalib", "UNCALIBRATED", "char", "", "", "ssa:Char.FluxAxis.Calibration"),
    ("ssa_binSize", "", "float", "m", "em.wl;spect.binSize", "ssa:Char.SpectralAxis.Accuracy.BinSize"),
    ("ssa_spectStatError", "", "float", "m", "stat.error;em", "ssa:Char.SpectralAxis.Accuracy.StatError"),
    ("ssa_spectSysError", "", "float", "m", "stat.error.sys;em", "ssa:Char.SpectralAxis.Accuracy.SysError"),
    ("ssa_speccalib", "ABSOLUTE", "char", "", "meta.code.qual", "ssa:Char.SpectralAxis.Calibration"),
    ("ssa_specres", "", "float", "m", "spect.resolution;em.wl", "ssa:Char.SpectralAxis.Resolution"),
    ("ssa_spaceError", "", "float", "deg", "stat.error;pos.eq", "ssa:Char.SpatialAxis.Accuracy.StatError"),
    ("ssa_spaceCalib", "", "char", "", "meta.code.qual", "ssa:Char.SpatialAxis.Calibration"),
    ("ssa_spaceRes", "", "float", "deg", "pos.angResolution", "ssa:Char.SpatialAxis.Resolution"),
)


def fields(*, hidden: bool = False) -> str:
    """Return all FIELDs, with ``hidden`` also those that no response has."""
    return declared(FIELDS[:4] + _HIDDEN + FIELDS[4:] if hidden else FIELDS)


def declared(columns: Iterable[DemoColumn]) -> str:
    """Return a FIELD for each of these columns."""
    return "".join(
        field(name, datatype, arraysize, unit=unit, ucd=ucd, utype=utype, xtype=_XTYPES.get(name, ""))
        for name, datatype, arraysize, unit, ucd, utype in columns
    )


def constants(prefix: str = "") -> str:
    """Return all PARAMs."""
    return "".join(
        param(
            prefix + name,
            value,
            options(dict.fromkeys(CALIBRATIONS)) if name == "ssa_fluxcalib" else "",
            datatype=datatype,
            arraysize="*" if "har" in datatype else "",
            unit=unit,
            ucd=ucd,
            utype=utype,
        )
        for name, value, datatype, unit, ucd, utype in _CONSTANTS
    )


def rows_of(observation: SyntheticObservation, mimes: tuple[str, ...], base: str) -> Iterator[list[Value]]:
    """Yield a row for each format, in the order of ``FIELDS``."""
    for mime in mimes:
        path = observation.accref if mime == FITS_MIME else observation.accref.removesuffix("fit") + "vot"
        url = product_url(base, path)
        size = original_size(observation) if mime == FITS_MIME else spectrum_votable_size(observation)
        star = observation.star
        yield [0.0, star.ra, star.dec, url, mime, size, *_common(observation), f"{url}?preview=True"]


def _common(observation: SyntheticObservation) -> list[Value]:
    first, last = (limit * 1e-10 for limit in observation.wave_limits)
    shorts = ((first + last) / 2, last - first, first, last)
    star = observation.star
    return [
        *(observation.accref, "", observation.did, observation.written.isoformat(), PUBLISHED),
        *("Optical", "", star.name, "star", "NaN", "", "NaN", f"{star.ra} {star.dec}", 0.000167),
        *(observation.mid_time, observation.exposure),
        *(str(np.float32(value)) for value in shorts),
        observation.points,
        *observation.log.values(),
    ]
