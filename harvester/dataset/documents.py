"""Write a data set's documents: citation, provenance, Croissant and RO-Crate metadata.

CITATION.cff 1.2.0; Croissant 1.0 (mlcommons.org/croissant), which machine learning tools and Hugging Face read;
RO-Crate 1.1, which Zenodo and WorkflowHub read. The same harvest gives the same documents.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._version import __version__
from ..formatting import plain_line, plural
from ..vo.data_origin import DataOrigin
from .folder import PROVENANCE
from .options import Dataset
from .rights import citation, licence_of, origin_of, web_address
from .schema import ExportField

CROISSANT = "croissant.json"
_DOI = re.compile(r"10\.\d{4,9}/[^\s\"<>]+")
_PARQUET, _CROISSANT_PARQUET = "application/vnd.apache.parquet", "application/x-parquet"  # IANA's, and Croissant's
_CROISSANT_TYPES = {
    "string": "sc:Text",
    "float64": "sc:Float",
    "float32": "sc:Float",
    "int64": "sc:Integer",
    "bool": "sc:Boolean",
    "timestamp[ms, UTC]": "sc:Date",
}
_CROISSANT_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "examples": {"@id": "cr:examples", "@type": "@json"},
}


def write_documents(dataset: Dataset, folder: Path) -> None:
    """Write all documents into ``folder``, which has the data files already."""
    files = [_DataFile(folder, name) for name in sorted(dataset.result.files)]
    texts = {
        PROVENANCE: _json(_provenance(dataset, files)),
        "CITATION.cff": "".join(f"{line}\n" for line in _citation(dataset)),
        CROISSANT: _json(_croissant(dataset, files)),
        "ro-crate-metadata.json": _json(_crate(dataset, files)),
    }
    if dataset.options.is_hats:
        del texts[CROISSANT]  # it describes no nested columns
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


class _DataFile:
    """A data file of the folder, with its size and digest."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.size = (folder / name).stat().st_size
        with (folder / name).open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _provenance(dataset: Dataset, files: list[_DataFile]) -> dict[str, Any]:
    """Return the origin and the preparation of the spectra, and the digests of the files."""
    split = dataset.options.split
    return {
        "made_by": f"harvester {__version__}",
        **dataset.origin.as_json(),
        "spectra": dataset.result.written,
        "prepared": dataset.options.recipe.sentences(),
        "split": split and {"shares": dict(zip(split.names, split.shares, strict=True)), "seed": split.seed},
        "left_out": [{"name": name, "reason": plain_line(reason, 500)} for name, reason in dataset.result.left_out],
        "damaged": [{"name": name, "reason": plain_line(reason, 500)} for name, reason in dataset.result.damaged],
        "absent": dataset.result.absent,
        "unrecorded": dataset.result.unrecorded,
        "files": [
            {"path": file.name, "spectra": dataset.result.files[file.name], "bytes": file.size, "sha256": file.sha256}
            for file in files
        ],
    }


def _citation(dataset: Dataset) -> Iterator[str]:
    """Yield CITATION.cff. A JSON string is a YAML string."""
    origin = origin_of(dataset.profile)
    authors = origin.creator.split("; ") if origin.creator else [_publisher(dataset)]
    yield from ("cff-version: 1.2.0", "type: dataset", f"title: {json.dumps(dataset.title)}", "authors:")
    yield from (f"- name: {json.dumps(plain_line(author, 200))}" for author in authors)
    yield f"message: {json.dumps(_acknowledgement(dataset))}"
    yield f"abstract: {json.dumps(f'{dataset.summary()}. {_description(dataset)}')}"
    if _retrieved(dataset):
        yield f"date-released: {_retrieved(dataset)}"
    if address := web_address(origin.reference_url):
        yield f"url: {json.dumps(address)}"
    if _DOI.fullmatch(origin.citation):
        yield f"doi: {json.dumps(origin.citation)}"
    if licence := licence_of(dataset.profile):
        yield f"license: {licence}"
    elif address := web_address(origin.rights_uri):
        yield f"license-url: {json.dumps(address)}"
    yield "keywords: [astronomy, spectroscopy, spectra]"


def _publisher(dataset: Dataset) -> str:
    return plain_line(origin_of(dataset.profile).publisher or dataset.title.removeprefix("Spectra of "), 200)


def _acknowledgement(dataset: Dataset) -> str:
    stated = dataset.profile.acknowledgement if dataset.profile else ""
    return plain_line(stated or "Please cite the archive that the spectra come from.", 1000)


def _retrieved(dataset: Dataset) -> str:
    """Return the day on which the last spectrum was retrieved, '' if that is not on record."""
    saved = dataset.origin.as_json()["retrieved"]
    return str(saved[1][:10]) if saved else ""


def _description(dataset: Dataset) -> str:
    steps = " ".join(dataset.options.recipe.sentences())
    return f"Spectra of a Virtual Observatory archive, verified, with the catalog's columns. {steps}".strip()


def _stated(origin: DataOrigin) -> str:
    return plain_line(" ".join(part for part in (origin.rights, origin.rights_uri) if part), 1000)


def _licence(dataset: Dataset) -> str:
    origin = origin_of(dataset.profile)
    return web_address(origin.rights_uri) or _stated(origin) or "The rights are the archive's; ask its operators."


def _croissant(dataset: Dataset, files: list[_DataFile]) -> dict[str, Any]:
    address = web_address(origin_of(dataset.profile).reference_url) or (
        dataset.profile.endpoint if dataset.profile else ""
    )
    return {
        "@context": _CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": dataset.title,
        "description": _description(dataset),
        "citeAs": citation(dataset),
        "license": _licence(dataset),
        "url": address or None,
        "version": "1.0.0",
        "datePublished": _retrieved(dataset) or None,
        "creator": {"@type": "sc:Organization", "name": _publisher(dataset)},
        "isLiveDataset": False,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file.name,
                "name": file.name,
                "contentUrl": file.name,
                "contentSize": f"{file.size} B",
                "encodingFormat": _CROISSANT_PARQUET,
                "sha256": file.sha256,
            }
            for file in files
        ],
        "recordSet": [_record_set(dataset, file) for file in files],
    }


def _record_set(dataset: Dataset, file: _DataFile) -> dict[str, Any]:
    name = Path(file.name).stem
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{plural(dataset.result.files[file.name], 'spectrum', 'spectra')} in {file.name}.",
        "field": [_croissant_field(name, file.name, *numbered) for numbered in enumerate(dataset.schema.fields)],
    }


def _croissant_field(record_set: str, file: str, position: int, field: ExportField) -> dict[str, Any]:
    inner = field.kind.removeprefix("list<").removesuffix(">")
    blanks = len(field.name.split()) != 1 or field.name != field.name.strip()
    key = f"{'_'.join(field.name.split())}~{position}" if blanks else field.name  # an @id has no blanks
    described = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{key}",
        "name": f"{record_set}/{key}",
        "description": field.meaning + (f" ({field.unit})" if field.unit else ""),
        "dataType": _CROISSANT_TYPES[inner],
        "source": {"fileObject": {"@id": file}, "extract": {"column": field.name}},
    }
    return described | ({"repeated": True} if inner != field.kind else {})


def _crate(dataset: Dataset, files: list[_DataFile]) -> dict[str, Any]:
    documents = {
        "README.md": "text/markdown",
        "CITATION.cff": "application/yaml",
        **({} if dataset.options.is_hats else {CROISSANT: "application/ld+json"}),
        PROVENANCE: "application/json",
    }
    licence = _licence(dataset)
    entities = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        _crate_root(dataset, [*(file.name for file in files), *documents]),
        {"@id": "#archive", "@type": "Organization", "name": _publisher(dataset)},
        {"@id": "#harvester", "@type": "SoftwareApplication", "name": "harvester", "version": __version__},
        _crate_action(dataset),
        *(_crate_file(file.name, _PARQUET) | {"contentSize": str(file.size), "sha256": file.sha256} for file in files),
        *(_crate_file(name, kind) for name, kind in documents.items()),
    ]
    if web_address(licence):
        entities.append({"@id": licence, "@type": "CreativeWork", "name": licence})
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": entities}


def _crate_root(dataset: Dataset, parts: list[str]) -> dict[str, Any]:
    licence, retrieved = _licence(dataset), _retrieved(dataset)
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": dataset.title,
        "description": f"{dataset.summary()}. {_description(dataset)}",
        "license": {"@id": licence} if web_address(licence) else licence,
        "creditText": citation(dataset),
        "publisher": {"@id": "#archive"},
        "hasPart": [{"@id": part} for part in parts],
        "mentions": {"@id": "#export"},
        **({"datePublished": retrieved} if retrieved else {}),
    }


def _crate_action(dataset: Dataset) -> dict[str, Any]:
    return {
        "@id": "#export",
        "@type": "CreateAction",
        "name": "Export of the harvest",
        "instrument": {"@id": "#harvester"},
        "result": {"@id": "./"},
        "description": " ".join(dataset.options.recipe.sentences()) or "Spectra as the archive's files have them.",
    }


def _crate_file(name: str, kind: str) -> dict[str, Any]:
    return {"@id": name, "@type": "File", "name": name, "encodingFormat": kind}
