"""Write the card of a data set: what it is, how it was made, how to cite it.

It is Markdown, with a head for Hugging Face.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..catalog.reader import describe_conflicts
from ..formatting import count, plural
from .hats import CATALOG, hats_name
from .markdown import as_code, as_text, table
from .options import Dataset
from .rights import citation, licence_of, origin_of, rights_of, web_address

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_REBUILT = "row['wave_start'] + row['wave_step'] * numpy.arange(row['wave_count'])"


def card(dataset: Dataset) -> str:
    """Return the whole card."""
    spectra = plural(dataset.result.written, "spectrum", "spectra")
    parts = (
        _head(dataset),
        [f"# {as_text(dataset.title)}", "", f"{spectra} in {as_code(dataset.options.file.name)}."],
        _loading(dataset),
        _classes(dataset),
        list(_doubts(dataset)),
        _origin(dataset),
        _preparation(dataset),
        _columns(dataset),
        _left_out(dataset),
        _rights(dataset),
    )
    return "\n".join(f"{text}\n" for text in map("\n".join, parts) if text)


def _head(dataset: Dataset) -> list[str]:
    written = dataset.result.written
    size = next((name for most, name in _SIZES if written < most), "n>1M")
    return [
        "---",
        f"pretty_name: {json.dumps(dataset.title)}",  # a JSON string is a YAML string
        *_licence(dataset),
        "tags: [astronomy, spectroscopy, spectra]",
        f"size_categories: [{json.dumps(size)}]",
        *_configurations(dataset),
        "---",
    ]


def _licence(dataset: Dataset) -> Iterator[str]:
    """Yield the licence, which Hugging Face knows by the SPDX identifier in small letters."""
    if licence := licence_of(dataset.profile):
        yield f"license: {licence.lower()}"
        return
    yield from ("license: other", "license_name: rights-of-the-archive")
    if address := web_address(origin_of(dataset.profile).rights_uri):
        yield f"license_link: {json.dumps(address)}"


def _configurations(dataset: Dataset) -> list[str]:
    """Return which files are which split.

    One file has all parts, and must not be called ``train`` by default.
    """
    if dataset.options.is_hdf5:
        return []
    if dataset.options.is_hats:
        path = f"    path: {CATALOG}/dataset/Norder=*/Dir=*/Npix=*.parquet"
        return ["configs:", "- config_name: default", "  data_files:", "  - split: whole", path]
    if not dataset.options.is_folder:
        name = json.dumps(dataset.options.file.name)
        files = [f"  data_files: {name}"]
        if dataset.options.split is not None:
            files = ["  data_files:", "  - split: whole", f"    path: {name}"]
        return ["configs:", "- config_name: default", *files]
    parts = [part for part in dataset.parts if dataset.result.in_part(part)]
    split = dataset.options.split
    if split is None or not split.folds:
        return ["configs:", "- config_name: default", *_data_files({part: [part] for part in parts or ["train"]})]
    lines = ["configs:", "- config_name: default", "  default: true", *_data_files({"train": parts})]
    for part in parts:
        others = [other for other in parts if other != part]
        lines += [f"- config_name: {part}", *_data_files({"train": others, "test": [part]})]
    return lines


def _data_files(splits: dict[str, list[str]]) -> Iterator[str]:
    yield "  data_files:"
    for name, parts in splits.items():
        yield from (f"  - split: {name}", "    path:", *(f"    - data/{part}-*.parquet" for part in parts))


def _loading(dataset: Dataset) -> Iterator[str]:
    """Say how to load a folder."""
    if not dataset.options.is_folder:
        return
    folder = dataset.options.file.name
    split = dataset.options.split
    if dataset.options.is_hats:
        yield from ("## Loading", "", "```python", "import lsdb", "")
        yield from (f'spectra = lsdb.open_catalog("{folder}")  # with its margin cache', "```")
        return
    yield from ("## Loading", "", "```python", "import datasets", "")
    if split is not None and split.folds:
        yield f'fold = datasets.load_dataset("{folder}", "{split.names[0]}")  # train: all other folds; test: this one'
    else:
        yield f'spectra = datasets.load_dataset("{folder}")'
    yield "```"


def _classes(dataset: Dataset) -> Iterator[str]:
    """Count the spectra of each class in each part."""
    counted, split = dataset.result.classes, dataset.options.split
    parts = ("",) if split is None else split.names
    yield from ("## Classes", "", f"By the catalog's column {as_code(dataset.schema.label)}:", "")
    found = sorted({label for label, _ in counted}, key=_as_number)
    rows: list[list[str]] = []
    header = ["class", *(part for part in parts if part), "all"]
    for name, labels in [*((label or "(none)", [label]) for label in found), ("all", found)]:
        numbers = [sum(counted[label, part] for label in labels) for part in parts]
        rows.append([as_text(name), *map(str, numbers if split else ()), str(sum(numbers))])
    yield from table(header, rows)
    if dataset.origin.conflicts:
        yield from ("", f"{as_text(describe_conflicts(dataset.origin.conflicts))}.")
    if split is not None:
        shares = ", ".join(f"{name} {share:g}" for name, share in zip(split.names, split.shares, strict=True))
        yield from (
            "",
            f"Requested: {shares}; seed {split.seed}. No star that its spectra tell of is in two parts: "
            "spectra of the same object, or pointed within 2 arcseconds of each other, stay together.",
            *(f"- {line}" for line in map(as_text, dataset.split_warnings())),
            *_choosing(dataset),
        )


def _doubts(dataset: Dataset) -> Iterator[str]:
    """List the DIDs that the catalog gives two labels."""
    if not dataset.conflicts:
        return
    yield from ("## Doubtful labels", "", "The catalog lists these with two labels; the first one is used:", "")
    for one in dataset.conflicts:
        yield f"- {as_code(one.did)}: {as_text(one.kept or '(none)')}, then {as_text(one.other or '(none)')}"


def _choosing(dataset: Dataset) -> Iterator[str]:
    """Say how to get one part of the split out of one file."""
    name, split = dataset.options.file.name, dataset.options.split
    if dataset.options.is_folder or split is None:
        return
    column, part = split.column, split.names[0]
    if dataset.options.is_hdf5:
        code = f"[one for one in h5py.File({name!r})['spectra'].values() if one.attrs['{column}'] == '{part}']"
    else:
        chosen = f"lambda part: part == '{part}', input_columns='{column}'"
        code = f"datasets.Dataset.from_parquet({name!r}).filter({chosen})"
    yield from (
        "",
        f"All parts are in this one file; the column `{column}` tells them apart:",
        "",
        "```python",
        code,
        "```",
    )


def _as_number(label: str) -> tuple[float, str]:
    try:
        return float(label), label
    except ValueError:
        return float("inf"), label


def _origin(dataset: Dataset) -> Iterator[str]:
    origin = dataset.origin.as_json()
    yield from ("## Where they come from", "")
    facts = {
        "archive": origin["archive"] or "not on record: the ledger was rebuilt from the files",
        "servers": ", ".join(origin["servers"]),
        "requested with": origin["requested"],
        "retrieved": origin["retrieved"] and " to ".join(origin["retrieved"]),
        "by": "harvester, run " + ", ".join(origin["runs"]) if origin["runs"] else None,
    }
    yield from (f"- {name}: {as_text(str(value))}" for name, value in facts.items() if value)
    yield "- each FITS file was verified by its SHA-256 when this was made of it"


def _preparation(dataset: Dataset) -> Iterator[str]:
    steps = dataset.options.recipe.sentences() or [
        "Nothing: wavelengths and flux are as the archive's files have them."
    ]
    yield from ("## Preparation", "")
    yield from (f"{number}. {sentence}" for number, sentence in enumerate(steps, 1))
    if dataset.options.flux != "float64":
        yield f"{len(steps) + 1}. Flux was rounded to {dataset.options.flux}."


def _columns(dataset: Dataset) -> Iterator[str]:
    hdf5 = dataset.options.is_hdf5
    yield from ("## Layout" if hdf5 else "## Columns", "")
    if hdf5:
        yield from (
            "`spectra/<name>` is 2 x n float64: wavelengths (Angstrom) above flux. Its attributes, where known (`date` "
            "in place of `time`, as a text; `label` is the class):",
            "",
        )
    fields = dataset.schema.scalars if hdf5 else dataset.schema.fields
    named = hats_name if dataset.options.is_hats else str
    rows = [[as_code(named(field.name)), field.kind, as_text(field.unit), as_text(field.meaning)] for field in fields]
    yield from table(["attribute" if hdf5 else "column", "type", "unit", "meaning"], rows)
    if any(field.name == "wave_start" for field in fields):
        yield from ("", f"Wavelengths that are evenly spaced: `{_REBUILT}`.")
    if any(field.name == "ivar" for field in fields) and dataset.options.recipe.sentences():
        yield from (
            "",
            "`ivar` follows from the archive's uncertainties, taken as independent from point to point.",
        )


def _left_out(dataset: Dataset) -> Iterator[str]:
    result = dataset.result
    missing = [*result.left_out, *result.unread, *((name, f"damaged: {reason}") for name, reason in result.damaged)]
    if not missing and not result.absent and not result.unrecorded:
        return
    yield from ("## Left out", "")
    if result.absent:
        yield f"- {count(result.absent)} that the catalog lists and the harvest does not have"
    if result.unrecorded:
        files = plural(result.unrecorded, "whose file is stored", "whose files are stored")
        yield f"- {files}, but not in the ledger"
    yield from (f"- {as_code(name)}: {as_text(reason)}" for name, reason in missing)


def _rights(dataset: Dataset) -> list[str]:
    return [
        "## Citing, and rights",
        "",
        *rights_of(dataset.profile),
        "",
        "As a citation: " + as_text(citation(dataset)),
    ]
