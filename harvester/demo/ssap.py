"""SSAP's queryData over the demo catalogue: the constraints, and the answer piece by piece (SSAP 1.1, section 4).

Two rows for each spectrum (FITS and VOTable), every error a VOTable in a 200, no paging: as DaCHS answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from ..spectra import SpectrumId
from .fits import Value
from .observations import Observation, observe
from .votables import HEAD, error_votable, field, links_block, param, row, service, soda_block

FITS_MIME, VOTABLE_MIME = "image/fits", "application/x-votable+xml"
_MOST_ROWS, _USUAL_ROWS = 1_000_000, 10_000
_PIECE = 100  # spectra in one piece of the stream
_MJD_ZERO = datetime(1858, 11, 17)  # noqa: DTZ001 - DALI timestamps carry no zone
# name, datatype, arraysize, unit, ucd, utype
FIELDS = (
    ("ssa_score", "float", "", "", "", "ssa:Query.Score"),
    ("location_ra", "float", "", "deg", "pos.eq.ra;meta.main", "ssa:Char.SpatialAxis.Coverage.Location.Value.C1"),
    ("location_dec", "float", "", "deg", "pos.eq.dec;meta.main", "ssa:Char.SpatialAxis.Coverage.Location.Value.C2"),
    ("preview", "char", "*", "", "meta.ref.url;datalink.preview", ""),
    ("accref", "char", "*", "", "meta.ref.url;meta.dataset", "ssa:Access.Reference"),
    ("mime", "char", "*", "", "", "ssa:Access.Format"),
    ("accsize", "int", "", "byte", "VOX:Image_FileSize", "ssa:Access.Size"),
    ("ssa_dstitle", "char", "*", "", "meta.title;meta.dataset", "ssa:DataID.Title"),
    ("ssa_pubDID", "char", "*", "", "", "ssa:Curation.PublisherDID"),
    ("ssa_cdate", "char", "*", "", "time;meta.dataset", "ssa:DataID.Date"),
    ("ssa_bandpass", "char", "*", "", "instr.bandpass", "ssa:DataID.Bandpass"),
    ("ssa_targname", "char", "*", "", "meta.id;src", "ssa:Target.Name"),
    ("ssa_targclass", "char", "*", "", "src.class", "ssa:Target.Class"),
    ("ssa_location", "double", "2", "deg", "pos.eq", "stc:AstroCoords.Position2D.Value2"),
    ("ssa_aperture", "float", "", "deg", "instr.fov", "ssa:Char.SpatialAxis.Coverage.Bounds.Extent"),
    ("ssa_dateObs", "double", "", "d", "time.epoch", "ssa:Char.TimeAxis.Coverage.Location.Value"),
    ("ssa_timeExt", "float", "", "s", "time.duration", "ssa:Char.TimeAxis.Coverage.Bounds.Extent"),
    ("ssa_specmid", "float", "", "m", "em.wl;instr.bandpass", "ssa:Char.SpectralAxis.Coverage.Location.Value"),
    ("ssa_specext", "float", "", "m", "em.wl;instr.bandwidth", "ssa:Char.SpectralAxis.Coverage.Bounds.Extent"),
    ("ssa_specstart", "float", "", "m", "em.wl;stat.min", "ssa:Char.SpectralAxis.Coverage.Bounds.Start"),
    ("ssa_specend", "float", "", "m", "em.wl;stat.max", "ssa:Char.SpectralAxis.Coverage.Bounds.Stop"),
    ("ssa_length", "int", "", "", "", "ssa:Dataset.Length"),
    ("telescope", "char", "*", "", "", ""),
)
_CONSTANTS = "".join(
    [
        param("ssa_model", "Spectrum-1.0", utype="ssa:Dataset.DataModel"),
        param("ssa_csysName", "ICRS", utype="ssa:CoordSys.SpaceFrame.Name"),
        param("ssa_spectralunit", "Angstrom", utype="ssa:Char.SpectralAxis.Unit"),
        param("ssa_publisher", "ivo://asu.cas.cz/org", utype="ssa:Curation.Publisher"),
        param("ssa_fluxcalib", "UNCALIBRATED", utype="ssa:Char.FluxAxis.Calibration"),
        param("ssa_speccalib", "ABSOLUTE", ucd="meta.code.qual", utype="ssa:Char.SpectralAxis.Calibration"),
    ]
)
_FORMATS = {
    "": (FITS_MIME, VOTABLE_MIME),
    "all": (FITS_MIME, VOTABLE_MIME),
    FITS_MIME: (FITS_MIME,),
    "native": (FITS_MIME,),
    VOTABLE_MIME: (VOTABLE_MIME,),
    "compliant": (VOTABLE_MIME,),
    "votable": (VOTABLE_MIME,),
}

Test = Callable[[Observation], bool]


@dataclass(frozen=True, slots=True)
class Query:
    """What queryData asked for: all ``tests`` must hold; rows of the ``mimes`` only; ``maxrec`` rows at most."""

    tests: tuple[Test, ...]
    mimes: tuple[str, ...]
    maxrec: int
    metadata: bool = False

    def matches(self, observation: Observation) -> bool:
        return all(test(observation) for test in self.tests)


def answer_query(parameters: Iterable[tuple[str, str]], dids: Iterable[SpectrumId], base: str) -> Iterator[bytes]:
    """The pieces of the answer's document, errors too: all of them are 200."""
    given = {name.upper(): value.strip() for name, value in parameters}
    try:
        query = _read_query(given)
    except ValueError as error:
        yield error_votable(str(error))
        return
    if query.metadata:
        yield _metadata().encode()
        return
    yield from _result(query, map(observe, dids), base)


def _read_query(given: Mapping[str, str]) -> Query:
    """ValueError, in DaCHS' words, for what it calls an error."""
    if given.get("REQUEST") != "queryData":
        raise ValueError("Field REQUEST: Missing or invalid value for REQUEST.")
    text = given.get("MAXREC", "") or str(_USUAL_ROWS)
    if not text.isdecimal():
        raise ValueError(f"Field MAXREC: {text!r} is not a valid value for MAXREC")
    wanted = given.get("FORMAT", "").lower()
    makers = {"BAND": _band, "TIME": _time, "TARGETNAME": _target, "PUBDID": _did}
    tests = [maker(given[name]) for name, maker in makers.items() if given.get(name)]
    if given.get("POS"):
        tests.append(_cone(given["POS"], given.get("SIZE", "")))
    return Query(
        tests=tuple(tests),
        mimes=_FORMATS.get(wanted, ()),
        maxrec=min(int(text), _MOST_ROWS),
        metadata=wanted == "metadata" or int(text) == 0,
    )


def _cone(position: str, size: str) -> Test:
    try:
        ra, dec = (math.radians(float(part)) for part in position.partition(";")[0].split(","))
        radius = math.radians(float(size)) / 2 if size else math.inf  # POS without SIZE constrains nothing in DaCHS
    except ValueError:
        raise ValueError(f"Field POS: Invalid position {position!r} or size {size!r}") from None

    def within(observation: Observation) -> bool:
        star_ra, star_dec = math.radians(observation.star.ra), math.radians(observation.star.dec)
        across = math.cos(dec) * math.cos(star_dec) * math.sin((star_ra - ra) / 2) ** 2
        return 2 * math.asin(math.sqrt(math.sin((star_dec - dec) / 2) ** 2 + across)) <= radius

    return within


def _interval(text: str, read: Callable[[str], float], name: str) -> tuple[float, float]:
    """``low/high``, either end open, or one value for both."""
    low, separator, high = text.partition(";")[0].partition("/")
    try:
        if not separator:
            return read(low), read(low)
        return read(low) if low else -math.inf, read(high) if high else math.inf
    except ValueError:
        raise ValueError(f"Field {name}: {text!r} is not a valid interval") from None


def _band(text: str) -> Test:
    low, high = _interval(text, float, "BAND")

    def overlaps(observation: Observation) -> bool:
        first, last = observation.wave_limits
        return first * 1e-10 <= high and last * 1e-10 >= low

    return overlaps


def _mjd(text: str) -> float:
    return (datetime.fromisoformat(text) - _MJD_ZERO).total_seconds() / 86400


def _time(text: str) -> Test:
    low, high = _interval(text, _mjd, "TIME")
    if low == high and len(text) == len(date.min.isoformat()):
        high += 1  # a day is all of that day
    return lambda observation: low <= observation.mid_time <= high


def _target(text: str) -> Test:
    words = text.lower().split()
    return lambda observation: all(word in observation.star.name.lower() for word in words)


def _did(text: str) -> Test:
    return lambda observation: observation.did == text


def _result(query: Query, observations: Iterable[Observation], base: str) -> Iterator[bytes]:
    # The status comes before the rows, so whether they overflow must be known first; observations are small.
    chosen: list[Observation] = []
    for observation in observations:
        if len(chosen) * len(query.mimes) > query.maxrec:
            break
        if query.mimes and query.matches(observation):
            chosen.append(observation)
    overflow = len(chosen) * len(query.mimes) > query.maxrec
    yield _start("OVERFLOW" if overflow else "OK").encode()
    left = query.maxrec
    for start in range(0, len(chosen), _PIECE):
        rows = [line for it in chosen[start : start + _PIECE] for line in _rows(it, query.mimes, base)][:left]
        left -= len(rows)
        yield "".join(rows).encode()
    yield _end(base, chosen, overflow).encode()


def _start(status: str) -> str:
    info = f'<INFO name="SERVICE_PROTOCOL" value="1.1">SSAP</INFO><INFO name="QUERY_STATUS" value="{status}"/>'
    return f'{HEAD}<RESOURCE type="results">{info}<TABLE name="result">{_fields()}{_CONSTANTS}<DATA><TABLEDATA>'


def _fields() -> str:
    return "".join(
        field(name, datatype, arraysize, unit=unit, ucd=ucd, utype=utype)
        for name, datatype, arraysize, unit, ucd, utype in FIELDS
    )


def _end(base: str, chosen: list[Observation], overflow: bool) -> str:
    warning = '<INFO name="warning" value="The query limit was reached. Raise MAXREC for more."/>' if overflow else ""
    end = f"</TABLEDATA></DATA></TABLE>{warning}</RESOURCE>"
    if chosen:
        limits = [limit * 1e-10 for it in chosen for limit in it.wave_limits]
        end += service(links_block(base), "links")
        end += service(soda_block(base, wave_limits=(min(limits), max(limits))), "proc_svc")
    return end + "</VOTABLE>"


def _rows(observation: Observation, mimes: tuple[str, ...], base: str) -> Iterator[str]:
    return map(row, rows_of(observation, mimes, base))


def rows_of(observation: Observation, mimes: tuple[str, ...], base: str) -> Iterator[list[Value]]:
    """A row for each format, in the order of ``FIELDS``."""
    first, last = (limit * 1e-10 for limit in observation.wave_limits)
    shorts = ((first + last) / 2, last - first, first, last)
    star = observation.star
    common: list[Value] = [
        *("ccd700/" + observation.name, observation.did, observation.written.isoformat(), "Optical", star.name, "star"),
        *(f"{star.ra} {star.dec}", 0.000167, observation.mid_time, observation.exposure),
        *(str(np.float32(value)) for value in shorts),
        *(observation.points, "Ondrejov Perek 2m"),
    ]
    for mime in mimes:
        path = observation.accref if mime == FITS_MIME else observation.accref.removesuffix("fit") + "vot"
        url = f"{base}/getproduct/{path}"
        yield [0.0, star.ra, star.dec, f"{url}?preview=True", url, mime, 20160, *common]


def _metadata() -> str:
    """What FORMAT=METADATA gets (SSAP 1.1, section 4.1.5.2): the parameters as INPUT, the columns as OUTPUT."""
    inputs = ("POS", "SIZE", "BAND", "TIME", "FORMAT", "TARGETNAME", "PUBDID", "MAXREC")
    params = "".join(param(f"INPUT:{name}", "") for name in inputs)
    params += "".join(param(f"OUTPUT:{name}", "", unit=unit, ucd=ucd) for name, _, _, unit, ucd, _ in FIELDS)
    info = '<INFO name="QUERY_STATUS" value="OK"/>'
    return f'{HEAD}<RESOURCE type="meta">{info}{params}</RESOURCE></VOTABLE>'
