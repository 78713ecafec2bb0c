"""Find a listing's columns by what they mean.

A UTYPE with any prefix, a standard name, a UCD or a usual name tells it. SSAP names columns by UTYPE alone (1.1,
section 4.2.5), ObsCore by column name (1.1, table 6). Genuine services write UTYPEs as ``ssa:Access.Reference``,
``Spectrum.Access.Reference``, ``spec:Spectrum.Access.Reference`` or ``ssa.access.reference``, or give UCDs only. A
UTYPE decides before a name, a standard name before a UCD, and a name that is merely usual comes last, since such names
are often those of other things.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .votable_model import VotableField, VotableTable

_WHERE = "char.spatialaxis.coverage.location"
_WAVES = "char.spectralaxis.coverage"


@dataclass(frozen=True, slots=True)
class ColumnMeaning:
    """One quantity of a listing, and how services call the column that has it.

    All names are in lower case.
    """

    utypes: tuple[str, ...]
    names: tuple[str, ...] = ()
    ucds: tuple[str, ...] = ()
    usual_names: tuple[str, ...] = ()
    not_named: tuple[str, ...] = ()
    """Parts of the names of columns that have the UCD but mean something else."""


PUBLISHER_DID = ColumnMeaning(
    ("curation.publisherdid", "publisherdid", "pubdid"),
    ("ssa_pubdid", "obs_publisher_did", "publisher_did", "pubdid"),
    ("meta.ref.url;meta.curation", "meta.ref.uri;meta.curation", "meta.ref.ivoid", "meta.ref.ivorn"),
    ("publisherdid", "publisherid"),
    ("creator", "related"),
)
CREATOR_DID = ColumnMeaning(
    ("dataid.creatordid",), ("ssa_creatordid", "ssa_creatordid", "obs_creator_did"), (), ("creatordid", "creator_did")
)
DATASET_ID = ColumnMeaning(
    ("dataid.datasetid",), ("ssa_datasetid",), ("meta.id;meta.dataset",), ("datasetid", "dataset_id")
)
ADDRESS = ColumnMeaning(
    ("access.reference",),
    ("accref", "access_url"),
    (
        "meta.ref.url",
        "meta.ref.url;meta.main",
        "meta.ref.url;meta.dataset",
        "meta.ref.uri",
        "vox:image_accessreference",
        "vox:spectrum_accessreference",
        "data_link",
    ),
    (
        *("acref", "accessurl", "accessreference", "access_reference", "accessref", "url", "fits_url", "fitsurl"),
        *("data_url", "file_url", "dataurl", "download_url", "spectrum_url", "product_url", "link", "uri", "href"),
    ),
    ("preview", "thumb", "logo", "home", "doc", "html", "plot", "biblio", "paper", "help"),
)
MEDIA_TYPE = ColumnMeaning(
    ("access.format",),
    ("mime", "access_format"),
    ("meta.code.mime", "vox:image_format", "vox:spectrum_format"),
    ("format", "content_type", "contenttype", "mime_type", "mimetype", "file_format"),
    ("preview",),
)
SIZE = ColumnMeaning(
    ("access.size",),
    ("accsize", "access_estsize"),
    ("phys.size;meta.file", "vox:image_filesize"),
    ("filesize", "file_size", "content_length"),
    ("preview",),
)
OBJECT = ColumnMeaning(
    ("target.name",),
    ("ssa_targname", "target_name"),
    ("meta.id;src", "meta.id;src;meta.main"),
    ("targetname", "targname", "object", "objname", "object_name", "target"),
)
RA = ColumnMeaning(
    (f"{_WHERE}.value.c1", f"{_WHERE}.coord.position2d.value2.c1"),
    ("s_ra",),
    ("pos.eq.ra;meta.main", "pos.eq.ra", "pos_eq_ra_main"),
    ("ra", "raj2000", "ra_j2000", "ra_deg"),
    ("err", "pm", "ep"),
)
DEC = ColumnMeaning(
    (f"{_WHERE}.value.c2", f"{_WHERE}.coord.position2d.value2.c2"),
    ("s_dec",),
    ("pos.eq.dec;meta.main", "pos.eq.dec", "pos_eq_dec_main"),
    ("dec", "dej2000", "decj2000", "dec_j2000", "dec_deg", "de"),
    ("err", "pm", "ep"),
)
POINT = ColumnMeaning(
    (f"{_WHERE}.value", "astrocoords.position2d.value2", "target.pos", "target.pos.spoint"),
    ("ssa_location",),
    ("pos.eq", "pos.eq;meta.main", "pos;meta.main"),
    ("location", "position"),
)
WAVE_START = ColumnMeaning(
    (f"{_WAVES}.bounds.start", f"{_WAVES}.bounds.limits.lolimit"),
    ("ssa_specstart", "em_min"),
    ("em.wl;stat.min",),
    ("wave_min", "wavemin", "lambda_min", "wl_min"),
)
WAVE_STOP = ColumnMeaning(
    (f"{_WAVES}.bounds.stop", f"{_WAVES}.bounds.limits.hilimit"),
    ("ssa_specend", "em_max"),
    ("em.wl;stat.max",),
    ("wave_max", "wavemax", "lambda_max", "wl_max"),
)
WAVE_MIDDLE = ColumnMeaning((f"{_WAVES}.location.value",))
WAVE_WIDTH = ColumnMeaning((f"{_WAVES}.bounds.extent",))
TIME = ColumnMeaning(
    ("char.timeaxis.coverage.location.value",),
    ("ssa_dateobs", "t_min"),
    ("time.epoch", "time.start;obs.exposure", "time.start;obs", "time.epoch;obs", "time.obs.start", "time.start"),
    ("time", "dateobs", "date_obs", "date-obs", "mjd_obs", "mjd"),
    ("proc", "creat", "release", "modif", "public"),
)
SPECTRAL_UNIT = ColumnMeaning(("char.spectralaxis.unit",), ("ssa_spectralunit",))
PRODUCT_TYPE = ColumnMeaning(("obsdataset.dataproducttype",), ("dataproduct_type",))


def bare_utype(utype: str) -> str:
    """Return a UTYPE in lower case, without the prefix in front of its last colon."""
    return utype.rpartition(":")[2].strip().casefold()


def column_index(table: VotableTable, meaning: ColumnMeaning, is_certain: bool = False) -> int | None:
    """Return the position of the column with that meaning; None where there is none.

    ``is_certain``: by UTYPE or standard name alone.
    """
    return next(_positions(table.fields, meaning, is_certain), None)


def position_columns(table: VotableTable) -> tuple[int, ...]:
    """Return the columns of right ascension and declination, or the one that has both.

    () where there is none. What is certain comes before what UCDs suggest; texts without a unit may be sexagesimal and
    are not taken.
    """
    for is_certain in (True, False):
        pair = [column_index(table, meaning, is_certain) for meaning in (RA, DEC)]
        both = [index for index in pair if index is not None]
        if len(both) == len(pair) and (is_certain or not any(_is_text(table.fields[index]) for index in both)):
            return tuple(both)
        point = column_index(table, POINT, is_certain)
        if point is not None:
            return (point,)
    return ()


def _is_text(one: VotableField) -> bool:
    return "char" in one.datatype.casefold() and not one.unit.strip()


def constant(table: VotableTable, meaning: ColumnMeaning) -> VotableField | None:
    """Return the PARAM that stands for a column with that meaning.

    Its value is the same in all rows.
    """
    return next((table.constants[index] for index in _positions(table.constants, meaning)), None)


def named_index(table: VotableTable, name: str) -> int | None:
    """Return the position of the column that a user names, by its ID or name, in any case.

    Exact spelling takes precedence.
    """
    spellings = [[one.id for one in table.fields], [one.name for one in table.fields]]
    for wanted, given in ((name, spellings), (name.casefold(), [[it.casefold() for it in each] for each in spellings])):
        for each in given:
            if wanted in each:
                return each.index(wanted)
    return None


def cell(row: Sequence[str], index: int | None) -> str:
    """Return the cell without blanks around it.

    '' where there is no such column, or the row ends before it.
    """
    return row[index].strip() if index is not None and index < len(row) else ""


def _positions(fields: Sequence[VotableField], meaning: ColumnMeaning, is_certain: bool = False) -> Iterator[int]:
    """Yield the columns that may have that meaning, best first."""
    utypes = [bare_utype(one.utype) for one in fields]
    names = [{one.id.casefold(), one.name.casefold()} for one in fields]
    ucds = ["".join(one.ucd.split()).casefold() for one in fields]
    for wanted in meaning.utypes:
        yield from (at for at, utype in enumerate(utypes) if utype == wanted or utype.endswith(f".{wanted}"))
    for wanted in meaning.names:
        yield from (at for at, given in enumerate(names) if wanted in given)
    if is_certain:
        return
    for wanted in meaning.ucds:
        yield from (at for at, ucd in enumerate(ucds) if ucd == wanted and not _is_another(names[at], meaning))
    for wanted in meaning.usual_names:
        yield from (at for at, given in enumerate(names) if wanted in given)


def _is_another(names: set[str], meaning: ColumnMeaning) -> bool:
    return any(part in name for part in meaning.not_named for name in names)
