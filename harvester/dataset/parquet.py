"""Write Parquet, one row per spectrum, that all usual readers understand.

Numbers of one spectrum resemble each other in their high bytes: BYTE_STREAM_SPLIT puts these side by side, and zstd
makes a fifth less of it than of the numbers as they are. Nothing in the file says when it was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..model.invocation import install_line
from .samples import Sample
from .schema import METADATA, TEXT, ExportField, ExportSchema, Write
from .votable import file_metadata

ROWS = 512  # of a row group: 8 MB of flux, which is what is in memory at a time
POINTS = 2**22  # of a row group, of spectra that are longer than 8,000 points: 32 MB of flux


def require_pyarrow() -> None:
    """Raise UsageError if pyarrow is missing, before anything is read."""
    try:
        import pyarrow as _  # noqa: F401
    except ImportError:
        raise UsageError(f"Parquet needs pyarrow: {install_line('specharvest[parquet]')}") from None


@contextmanager
def parquet_file(path: Path, layout: ExportSchema, provenance: Mapping[str, Any]) -> Iterator[Write]:
    """Open a Parquet file at ``path`` and yield what writes one spectrum into it."""
    from pyarrow import parquet

    schema = arrow_schema(layout, provenance)
    waiting: list[dict[str, Any]] = []
    points = 0
    written: Future[None] = Future()  # the last row group: compressed while the next one is gathered
    written.set_result(None)
    floats = [field.name for field in layout.arrays if field.kind in ("list<float64>", "list<float32>")]
    with (
        parquet.ParquetWriter(
            path,
            schema,
            compression="zstd",
            use_dictionary=[field.name for field in layout.fields if field.kind == TEXT],
            column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in floats},
            write_statistics=[field.name for field in layout.scalars],
        ) as writer,
        ThreadPoolExecutor(1) as behind,
    ):

        def write(sample: Sample, part: str | None) -> None:
            nonlocal points
            waiting.append(layout.row(sample, part) | layout.array_values(sample))
            points += sample.flux.size
            if len(waiting) == ROWS or points >= POINTS:
                flush()

        def flush() -> None:
            nonlocal points, written
            table = _table(waiting, schema)
            written.result()
            written = behind.submit(writer.write_table, table)
            waiting.clear()
            points = 0

        yield write
        if waiting:
            flush()
        written.result()


def arrow_schema(layout: ExportSchema, provenance: Mapping[str, Any]) -> Any:
    """Return the Arrow schema, with units and descriptions as every reader looks for them."""
    import pyarrow as pa

    fields = [
        pa.field(
            field.name,
            _arrow_type(field),
            metadata={"unit": field.unit, "description": field.meaning, "ucd": field.ucd},
        )
        for field in layout.fields
    ]
    title = f"Spectra of {provenance.get('archive') or 'an unknown archive'}"
    return pa.schema(fields, {METADATA: json.dumps(provenance, sort_keys=True), **file_metadata(layout.fields, title)})


def _arrow_type(field: ExportField) -> Any:
    """Return the column's type.

    Lists that are as long in all rows are of a fixed size, which tensors are made of.
    """
    import pyarrow as pa

    scalars = {
        "string": pa.string(),
        "float64": pa.float64(),
        "float32": pa.float32(),
        "int64": pa.int64(),
        "bool": pa.bool_(),
        "timestamp[ms, UTC]": pa.timestamp("ms", tz="UTC"),
    }
    inner = field.kind.removeprefix("list<").removesuffix(">")
    if inner == field.kind:
        return scalars[inner]
    return pa.list_(scalars[inner], field.size or -1)


def _table(rows: Sequence[Mapping[str, Any]], schema: Any) -> Any:
    import pyarrow as pa

    columns = [
        _lists([row[field.name] for row in rows], field.type)
        if pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type)
        else pa.array([row[field.name] for row in rows], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _lists(arrays: Sequence[NDArray[Any] | None], kind: Any) -> Any:
    """Return arrays as one Arrow column, their numbers copied once; None is a missing list."""
    import pyarrow as pa

    empty = np.empty(0, kind.value_type.to_pandas_dtype())
    present = [empty if array is None else array for array in arrays]
    values = pa.array(np.concatenate(present))
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(values, type=kind)
    offsets = np.cumsum([0, *(array.size for array in present)], dtype=np.int32)
    missing = pa.array([array is None for array in arrays])
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind, mask=missing)
