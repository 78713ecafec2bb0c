"""Parquet: one row a spectrum. Readable by pyarrow, polars, pandas and Hugging Face datasets alike.

Numbers of one spectrum resemble each other in their high bytes: BYTE_STREAM_SPLIT puts these side by side, and zstd
makes of it a fifth less than of the numbers as they are. Nothing in the file tells when it was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .samples import Sample
from .schema import METADATA, ExportSchema, Write, axis_told

ROWS = 512  # of a row group: 8 MB of flux, which is what is in memory at a time


def require_pyarrow() -> None:
    """UsageError if pyarrow is not there: said before anything is read."""
    try:
        import pyarrow as _  # noqa: F401
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'harvester[parquet]'") from None


@contextmanager
def parquet_file(path: Path, layout: ExportSchema, provenance: Mapping[str, Any]) -> Iterator[Write]:
    """A Parquet file at ``path``; what it yields writes one spectrum into it."""
    from pyarrow import parquet

    schema = _schema(layout, provenance)
    waiting: list[dict[str, Any]] = []
    with parquet.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[field.name for field in layout.fields if field.kind == "string"],
        column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in ("wave", "flux")},
        write_statistics=[field.name for field in layout.scalars],
    ) as writer:

        def write(sample: Sample, part: str | None) -> None:
            flux = sample.flux.astype(layout.flux)
            waiting.append(layout.told(sample, part) | axis_told(sample) | {"flux": flux})
            if len(waiting) == ROWS:
                flush()

        def flush() -> None:
            writer.write_table(_table(waiting, schema))
            waiting.clear()

        yield write
        if waiting:
            flush()


def _schema(layout: ExportSchema, provenance: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "float64": pa.float64(),
        "int64": pa.int64(),
        "timestamp[ms, UTC]": pa.timestamp("ms", tz="UTC"),
        "list<float64>": pa.list_(pa.float64()),
        "list<float32>": pa.list_(pa.float32()),
    }
    told = {field.name: {"unit": field.unit, "description": field.meaning} for field in layout.fields}
    return pa.schema(
        [pa.field(field.name, kinds[field.kind], metadata=told[field.name]) for field in layout.fields],
        metadata={METADATA: json.dumps(provenance, sort_keys=True)},
    )


def _table(rows: Sequence[Mapping[str, Any]], schema: Any) -> Any:
    import pyarrow as pa

    columns = [
        _lists([row[field.name] for row in rows], field.type)
        if pa.types.is_list(field.type)
        else pa.array([row[field.name] for row in rows], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _lists(arrays: Sequence[NDArray[Any] | None], kind: Any) -> Any:
    """Arrays as one Arrow column, their numbers copied once; None is a missing list."""
    import pyarrow as pa

    empty = np.empty(0, kind.value_type.to_pandas_dtype())
    there = [empty if array is None else array for array in arrays]
    offsets = np.cumsum([0, *(array.size for array in there)], dtype=np.int32)
    missing = pa.array([array is None for array in arrays])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(there)), type=kind, mask=missing)
