"""The card of a data set: what it is, how it was made, whom to thank. Markdown, with a head for Hugging Face."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from ..archive.profile import ArchiveProfile
from ..formatting import plain_line
from .export import Dataset

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_REBUILT = "row['wave_start'] + row['wave_step'] * numpy.arange(row['wave_count'])"


def card(dataset: Dataset) -> str:
    """The whole card."""
    archive = dataset.profile.title if dataset.profile and len(dataset.origin.archives) < 2 else dataset.origin.archive
    title = f"Spectra of {archive or 'an archive that nobody recorded'}"
    parts = (
        _head(dataset, title),
        [f"# {title}", "", f"{dataset.outcome.written} spectra in `{dataset.order.file.name}`."],
        _classes(dataset),
        _origin(dataset),
        _preparation(dataset),
        _columns(dataset),
        _left_out(dataset),
        _rights(dataset.profile),
    )
    return "\n".join(f"{text}\n" for text in map("\n".join, parts) if text)


def _head(dataset: Dataset, title: str) -> list[str]:
    written = dataset.outcome.written
    size = next((name for most, name in _SIZES if written < most), "n>1M")
    return [
        "---",
        f"pretty_name: {json.dumps(title)}",  # a JSON string is a YAML string
        "license: other",
        "license_name: rights-of-the-archive",
        "tags: [astronomy, spectroscopy, spectra]",
        f"size_categories: [{json.dumps(size)}]",
        *(_configuration(dataset) if dataset.order.file.suffix == ".parquet" else []),
        "---",
    ]


def _configuration(dataset: Dataset) -> list[str]:
    """One file has all parts of a split, so Hugging Face must not call all of it ``train``, as it would unasked."""
    name = json.dumps(dataset.order.file.name)
    files = [f"  data_files: {name}"]
    if dataset.order.split is not None:
        files = ["  data_files:", "  - split: whole", f"    path: {name}"]
    return ["configs:", "- config_name: default", *files]


def _classes(dataset: Dataset) -> Iterator[str]:
    """How many spectra of which class are in which part."""
    counted, split = dataset.outcome.classes, dataset.order.split
    parts = ("",) if split is None else split.names
    yield from ("## Classes", "", f"By the catalog's column `{dataset.layout.label}`:", "")
    found = sorted({label for label, _ in counted}, key=_as_number)
    rows: list[list[object]] = []
    header = ["class", *(part for part in parts if part), "all"]
    for name, labels in [*((label or "(none)", [label]) for label in found), ("all", found)]:
        numbers = [sum(counted[label, part] for label in labels) for part in parts]
        rows.append([name, *(numbers if split else ()), sum(numbers)])
    yield from _table(header, rows)
    if split is not None:
        shares = ", ".join(f"{name} {share:g}" for name, share in zip(split.names, split.shares, strict=True))
        yield from (
            "",
            f"Asked for: {shares}; seed {split.seed}. No star is in two parts: spectra of the same object, or pointed "
            "within 2 arcseconds of each other, stay together.",
            *(f"- {line}" for line in map(_safe, dataset.lacking())),
            *_choosing(dataset),
        )


def _choosing(dataset: Dataset) -> Iterator[str]:
    """How to get one part of the split."""
    name = dataset.order.file.name
    if dataset.order.file.suffix == ".parquet":
        said = f"datasets.Dataset.from_parquet({name!r}).filter(lambda part: part == 'train', input_columns='split')"
    else:
        said = f"[one for one in h5py.File({name!r})['spectra'].values() if one.attrs['split'] == 'train']"
    yield from (
        "",
        "All parts are in this one file; the column `split` tells them apart:",
        "",
        "```python",
        said,
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
        "asked at": ", ".join(origin["servers"]),
        "asked for": origin["asked"],
        "retrieved": origin["retrieved"] and " to ".join(origin["retrieved"]),
        "by": "harvester, run " + ", ".join(origin["runs"]) if origin["runs"] else None,
    }
    yield from (f"- {name}: {_safe(str(told))}" for name, told in facts.items() if told)
    yield "- each FITS file was proved by its SHA-256 when this was made of it"


def _preparation(dataset: Dataset) -> Iterator[str]:
    done = dataset.order.recipe.in_words() or ["Nothing: wavelengths and flux are as the archive's files have them."]
    yield from ("## What was done to them", "")
    yield from (f"{number}. {sentence}" for number, sentence in enumerate(done, 1))
    if dataset.order.flux != "float64":
        yield f"{len(done) + 1}. Flux was rounded to {dataset.order.flux}."


def _columns(dataset: Dataset) -> Iterator[str]:
    parquet = dataset.order.file.suffix == ".parquet"
    yield from ("## Columns" if parquet else "## Layout", "")
    if not parquet:
        yield from (
            "`spectra/<name>` is 2 x n float64: wavelengths (Angstrom) above flux. Its attributes, where known (`date` "
            "in place of `time`, as a text; `label` is the class):",
            "",
        )
    fields = dataset.layout.fields if parquet else dataset.layout.scalars
    rows = [[f"`{_safe(field.name)}`", field.kind, field.unit, _safe(field.meaning)] for field in fields]
    yield from _table(["column" if parquet else "attribute", "type", "unit", "meaning"], rows)
    if parquet:
        yield from ("", f"Wavelengths that are evenly spaced: `{_REBUILT}`.")


def _left_out(dataset: Dataset) -> Iterator[str]:
    outcome = dataset.outcome
    missing = [*outcome.left_out, *((name, f"damaged: {why}") for name, why in outcome.damaged)]
    if not missing and not outcome.absent:
        return
    yield from ("## Left out", "")
    if outcome.absent:
        yield f"- {outcome.absent} that the catalog lists and the harvest does not have"
    yield from (f"- `{name}`: {_safe(why)}" for name, why in missing)


def _rights(profile: ArchiveProfile | None) -> list[str]:
    thanks = profile.acknowledgement if profile else ""
    return [
        "## Citing, and rights",
        "",
        thanks
        or "No words of acknowledgement are on record here: name the archive and its address, and ask its operators "
        "how they wish to be cited.",
        "",
        "The rights of the archive's data are the archive's; ask before you publish this file.",
    ]


def _table(header: Iterable[object], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    head = [str(cell) for cell in header]
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(_safe(str(cell)) for cell in row)} |" for row in rows)


def _safe(text: str) -> str:
    """A server's or a catalog's words as one line that opens no column and no tag."""
    return plain_line(text, 500).replace("|", "\\|").replace("<", "&lt;")
