"""Values that a check works on and finds, shared by audit, ledger and command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .outcomes import Check, Level, VerifiedSpectrum
from .target import SpectrumId

DIGEST, PRESENCE, READING, LEDGER, UNIQUENESS = "digest", "presence", "reading", "ledger", "uniqueness"
"""What is checked besides structure, identity and science: that a file is unchanged, exists, can be read, that the
ledger itself can be used, and that a spectrum has one file."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger has of a stored file.

    Digests are hex strings, None where it was never verified.
    """

    did: SpectrumId
    sha256: str | None = None
    content_digest: str | None = None
    level: Level = Level.SCIENCE


@dataclass(frozen=True, slots=True)
class FileToCheck:
    """A file to check.

    Its name (no folder, no ``.fits``), and the ledger's record of it, None without one.
    """

    name: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Sound:
    """A file that passed every check.

    did: None only where neither ledger nor file has it (an archive whose files name no DID).
    known: the ledger has these very digests already.
    redated: other bytes than the ledger has, but the same content: the server writes a new date into each response.
    """

    name: str
    did: SpectrumId | None
    verified: VerifiedSpectrum
    known: bool = False
    redated: bool = False


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that is not the spectrum its name promises.

    ``check`` is a Check or DIGEST, ``kind`` a FailureKind or ``changed``; ``detail`` is one sentence.
    """

    name: str
    did: SpectrumId | None
    check: str
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that the ledger has as stored, or the folder listed, and that does not exist."""

    name: str
    did: SpectrumId | None
    detail: str
    check: str = PRESENCE


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file about which nothing is known.

    It cannot be read, or reading it ended in an internal error.
    """

    name: str
    did: SpectrumId | None
    detail: str
    check: str = READING


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A sound file whose spectrum another file has already."""

    name: str
    did: SpectrumId
    detail: str
    check: str = UNIQUENESS


@dataclass(frozen=True, slots=True)
class UnrelatedFile:
    """A file under a name that no spectrum can have: not ours, and never counted."""

    name: str


Fault = Damaged | Missing | Unreadable | Duplicate
Finding = Sound | UnrelatedFile | Fault


FEW = 10  # files that may fail alike without pointing at more than their own damage


def too_common(damaged: Iterable[Damaged], checked: int) -> set[str]:
    """Return the kinds that point at a wrong setting rather than at damage.

    A disk does not turn most of a folder's files, sound in structure, into spectra of another band.
    """
    counts = Counter(fault.kind for fault in damaged if fault.check in (Check.IDENTITY, Check.SCIENCE))
    return {kind for kind, number in counts.items() if number > max(FEW, checked // 2)}


class Content(NamedTuple):
    """One spectrum as it was at some time.

    Digests in hex, the content's None where it was never computed.
    """

    did: SpectrumId
    sha256: str
    content_digest: str | None
