"""Write a HATS collection for LSDB: Parquet by position, with a margin cache.

HATS (IVOA Note, version 1.0). A partition is a pixel of HEALPix with at most ``ROWS`` spectra, sorted by position. The
margin cache has, for each partition, the spectra within ``MARGIN`` outside it, so that neighbours are found across
edges. Columns have MultimodalUniverse's names: ``object_id``, ``ra``, ``dec``, and ``spectrum``, a nested column with
``lambda``, ``flux``, ``ivar`` and ``mask``.

Spectra come in the order of their names. They are written to one file first, and then sorted into the partitions, of
which one is in memory at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..errors import UsageError
from ..model.invocation import install_line
from .parquet import parquet_file
from .schema import METADATA, ExportSchema, Write

ROWS = 2048  # of a partition: 100 MB of spectra of 2,000 points, which is what is in memory
ORDER = 6  # of the smallest partitions, a degree wide: the spectra in one may be more than ROWS
MARGIN = 10.0  # arcseconds

CATALOG, MARGIN_CACHE = "spectra", f"spectra_{MARGIN:.0f}arcs"
NESTED = {"wave": "lambda", "flux": "flux", "ivar": "ivar", "mask": "mask"}
INDEX = "_healpix_29"
TAKEN = frozenset({"object_id", "spectrum", INDEX})
"""The names that no column of a catalog keeps here, besides those of all formats."""

Rows = NDArray[np.int64]


def require_hats() -> None:
    """Raise UsageError if the library is missing, before anything is read."""
    try:
        import hats as _  # noqa: F401
    except ImportError:
        raise UsageError(f"HATS needs the library of that name: {install_line('specharvest[hats]')}") from None


def hats_name(column: str) -> str:
    """Return what a column of the other formats is called here."""
    if column in NESTED:
        return f"spectrum.{NESTED[column]}"
    return "object_id" if column == "id" else column


@contextmanager
def hats_collection(
    folder: Path, name: str, layout: ExportSchema, provenance: Mapping[str, Any], files: dict[str, int]
) -> Iterator[Write]:
    """Open the collection ``name`` in ``folder`` and yield what writes one spectrum into it.

    The spectrum has to have a position.

    files: gets the rows of each partition of the catalog, by its path.
    """
    from hats.catalog.dataset.collection_properties import CollectionProperties
    from pyarrow import parquet

    by_name = folder / "by-name.parquet"
    with parquet_file(by_name, layout, provenance) as write:
        yield write
    if parquet.read_metadata(by_name).num_rows:
        _partition(by_name, folder, files)
    by_name.unlink()
    CollectionProperties(
        obs_collection=name,
        hats_primary_table_url=CATALOG,
        all_margins=[MARGIN_CACHE],
        default_margin=MARGIN_CACHE,
        **_builder(),
    ).to_properties_file(folder)


def _partition(by_name: Path, folder: Path, files: dict[str, int]) -> None:
    """Write the catalog and its margin cache."""
    from hats.pixel_math.spatial_index import compute_spatial_index
    from pyarrow import parquet

    positions = parquet.read_table(by_name, columns=["ra", "dec"])
    index = compute_spatial_index(positions["ra"].to_numpy(), positions["dec"].to_numpy())
    inside = _partitions(index)
    catalog = _Catalog(by_name, index, folder / CATALOG, catalog_type="object")
    catalog.write(inside)
    files.update({str(path.relative_to(folder)): rows for path, rows in catalog.files.items()})
    cache = _Catalog(
        by_name,
        index,
        folder / MARGIN_CACHE,
        catalog_type="margin",
        margin_threshold=MARGIN,
        primary_catalog=CATALOG,
    )
    cache.write(_margins(index, list(inside)))


def _partitions(index: Rows) -> dict[Any, Rows]:
    """Return the pixels of the catalog with the rows in each."""
    from hats.pixel_math import HealpixPixel
    from hats.pixel_math.partition_stats import generate_alignment
    from hats.pixel_math.spatial_index import spatial_index_to_healpix

    fine = spatial_index_to_healpix(index, ORDER)
    counts = np.bincount(fine, minlength=12 * 4**ORDER)
    pixel_of = generate_alignment(counts, ORDER, threshold=max(ROWS, int(counts.max())))
    found: dict[tuple[int, int], list[Rows]] = {}
    for pixel in np.unique(fine):
        order, number, _ = pixel_of[pixel]
        found.setdefault((int(order), int(number)), []).append(np.flatnonzero(fine == pixel))
    return {HealpixPixel(*pixel): np.sort(np.concatenate(rows)) for pixel, rows in sorted(found.items())}


def _margins(index: Rows, pixels: list[Any]) -> dict[Any, Rows]:
    """Return the rows just outside each of ``pixels``, and of those that complete the sky.

    The latter are needed where another catalog has a partition and this one has none.
    """
    from hats.pixel_math import get_margin
    from hats.pixel_math.healpix_shim import margin2order
    from hats.pixel_math.spatial_index import spatial_index_to_healpix
    from hats.pixel_tree.negative_tree import compute_negative_tree_pixels
    from hats.pixel_tree.pixel_tree import PixelTree

    order = int(margin2order(MARGIN / 60))
    fine = spatial_index_to_healpix(index, order)
    every = [*pixels, *compute_negative_tree_pixels(PixelTree.from_healpix(pixels))]
    near = {pixel: np.isin(fine, get_margin(pixel.order, pixel.pixel, order - pixel.order)) for pixel in every}
    return {pixel: np.flatnonzero(found) for pixel, found in near.items() if found.any()}


class _Catalog:
    """One catalog of the collection, of rows of the file ``by_name``."""

    def __init__(self, by_name: Path, index: Rows, folder: Path, **properties: Any) -> None:
        self._by_name, self._index, self._folder, self._properties = by_name, index, folder, properties
        self.files: dict[Path, int] = {}

    def write(self, chosen: Mapping[Any, Rows]) -> None:
        """Write a partition for each pixel, with its ``chosen`` rows, and the metadata."""
        from hats.catalog.dataset.table_properties import TableProperties
        from hats.catalog.partition_info import PartitionInfo
        from hats.io.parquet_metadata import write_parquet_metadata
        from pyarrow import parquet

        (self._folder / "dataset").mkdir(parents=True)
        self._sort_into(list(chosen), list(chosen.values()))
        if self.files:
            write_parquet_metadata(self._folder)
        else:
            schema = _nested(self._with_index(0, np.array([], np.int64))).schema
            parquet.write_metadata(schema, self._folder / "dataset" / "_common_metadata")
        PartitionInfo.from_healpix(list(chosen)).write_to_file(catalog_path=self._folder)
        TableProperties(
            catalog_name=self._folder.name,
            total_rows=sum(self.files.values()),
            ra_column="ra",
            dec_column="dec",
            healpix_column=INDEX,
            healpix_order=29,
            **self._properties,
            **_builder(),
        ).to_properties_file(self._folder)

    def _sort_into(self, pixels: list[Any], rows: list[Rows]) -> None:
        """Distribute the rows to pixels in one pass, then sort the rows of each."""
        from hats.io.paths import new_pixel_catalog_file
        from pyarrow import dataset, parquet

        unsorted = self._folder / "unsorted"
        schema = self._with_index(0, np.array([], np.int64)).schema
        for group in range(parquet.ParquetFile(self._by_name).num_row_groups if pixels else 0):
            for number, table in self._chosen_of(group, rows):
                (unsorted / str(number)).mkdir(parents=True, exist_ok=True)
                parquet.write_table(table, unsorted / str(number) / f"{group:06d}.parquet")
        for number, pixel in enumerate(pixels):
            table = dataset.dataset(unsorted / str(number), schema).to_table()
            table = _nested(table.sort_by([(INDEX, "ascending"), ("id", "ascending")]))
            path = Path(new_pixel_catalog_file(self._folder, pixel))
            floats = [f"spectrum.{name}.list.element" for name in ("lambda", "flux", "ivar")]
            parquet.write_table(
                table,
                path,
                compression="zstd",
                use_dictionary=[field.name for field in table.schema if field.type == "string"],
                column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
            )
            self.files[path] = table.num_rows
        shutil.rmtree(unsorted, ignore_errors=True)

    def _chosen_of(self, group: int, rows: list[Rows]) -> Iterator[tuple[int, Any]]:
        """Yield the chosen rows of one row group, by the number of their pixel."""
        from pyarrow import parquet

        file = parquet.ParquetFile(self._by_name)
        first = sum(file.metadata.row_group(at).num_rows for at in range(group))
        last = first + file.metadata.row_group(group).num_rows
        found = [one[np.searchsorted(one, first) : np.searchsorted(one, last)] for one in rows]
        if any(map(np.size, found)):
            table = self._with_index(group, np.arange(first, last))
            yield from ((number, table.take(one - first)) for number, one in enumerate(found) if one.size)

    def _with_index(self, group: int, rows: Rows) -> Any:
        """Return the row group with its positions as a column; an empty table without ``rows``."""
        import pyarrow as pa
        from pyarrow import parquet

        file = parquet.ParquetFile(self._by_name)
        table = file.read_row_group(group) if rows.size else file.schema_arrow.empty_table()
        return table.add_column(0, pa.field(INDEX, pa.int64(), False), pa.array(self._index[rows], pa.int64()))


def _nested(table: Any) -> Any:
    """Return ``table`` with its spectra in a nested column, by MultimodalUniverse's names."""
    import pyarrow as pa

    table = table.combine_chunks()
    lengths = np.diff(_list(table["flux"]).offsets) if table.num_rows else np.array([], np.int32)
    arrays = {name: _whole(_list(table[name]), lengths) for name in NESTED if name in table.column_names}
    members = [table.schema.field(name).with_name(NESTED[name]).with_type(one.type) for name, one in arrays.items()]
    spectrum = pa.StructArray.from_arrays(list(arrays.values()), fields=members)
    kept = table.drop_columns(list(arrays))
    kept = kept.rename_columns([hats_name(name) for name in kept.column_names])
    metadata = {METADATA: (table.schema.metadata or {})[METADATA.encode()]}
    return kept.append_column("spectrum", spectrum).replace_schema_metadata(metadata)


def _list(column: Any) -> Any:
    """Return a column of lists, all of any length, as one array."""
    import pyarrow as pa

    (array,) = column.chunks or [pa.array([], column.type)]
    return array.cast(pa.list_(array.type.value_type))


def _whole(array: Any, lengths: NDArray[np.int32]) -> Any:
    """Return the lists with missing ones filled: no weight in ``ivar``, no flag in ``mask``."""
    import pyarrow as pa

    if not array.null_count:
        return array
    filler = array.type.value_type.to_pandas_dtype()(0)
    lists = zip(array.to_pylist(), lengths, strict=True)
    return pa.array([[filler] * int(length) if one is None else one for one, length in lists], array.type)


def _builder() -> dict[str, str]:
    """Return the properties that say what made it; nothing in them depends on when."""
    from importlib.metadata import version

    return {"hats_builder": f"harvester {__version__}, hats {version('hats')}", "hats_version": "v1.0"}
