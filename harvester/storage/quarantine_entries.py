"""Read and delete what is in quarantine.

A body, ``<name>.<kind>.body``, with its reason in ``.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import translate_os_errors

SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """One entry; ``reason`` is the content of its JSON file."""

    folder: Path
    name: str
    reason: Mapping[str, Any]

    @property
    def spectrum(self) -> str:
        """Return the name of the spectrum that the body was to be."""
        return self.name.rpartition(".")[0]

    @property
    def is_suspect(self) -> bool:
        """Return whether it is a file that was on disk before, not a response."""
        return self.name.rpartition(".")[2].startswith(SUSPECT)

    @property
    def detail(self) -> str:
        """Return why it is here, in one sentence."""
        return str(self.reason.get("detail", "no reason is given"))

    @property
    def headers(self) -> Mapping[str, Any]:
        """Return the headers of the response."""
        headers = self.reason.get("headers")
        return headers if isinstance(headers, Mapping) else {}

    @property
    def body(self) -> Path:
        """Return the file with the body."""
        return self.folder / f"{self.name}.body"

    @property
    def size(self) -> int:
        """Return the size of the body in bytes; 0 if it is not there."""
        return self.body.lstat().st_size if self.body.exists() else 0

    def read(self, most: int) -> bytes:
        """Return the first ``most`` bytes of the body; nothing if it is no file. StoreError."""
        if not self.body.is_file():
            return b""
        with translate_os_errors(self.body), self.body.open("rb") as file:
            return file.read(most)

    def delete(self) -> None:
        """Delete body and reason. StoreError."""
        for path in (self.body, self.body.with_suffix(".json")):
            with translate_os_errors(path):
                path.unlink(missing_ok=True)


def entries(folder: Path) -> list[QuarantineEntry]:
    """Return the entries in ``folder`` by name; none if there is no such folder. StoreError."""
    with translate_os_errors(folder):
        files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [QuarantineEntry(folder, path.stem, _reason(path)) for path in files]


def _reason(path: Path) -> Mapping[str, Any]:
    try:
        reason = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a file that was edited or is being deleted: the body is still listed
        return {}
    return reason if isinstance(reason, dict) else {}
