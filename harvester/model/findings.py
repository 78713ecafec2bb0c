"""What an audit works on and what it finds, as values: the audit, the ledger and the command line share them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .outcomes import Check, VerifiedSpectrum
from .target import SpectrumId

DIGEST, PRESENCE, READING, LEDGER = "digest", "presence", "reading", "ledger"
"""What an audit proves beyond the three gates: unchanged, there, legible; and that the ledger itself can be used."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger remembers of a stored file. Digests are hex strings, None where it was never proved."""

    did: SpectrumId
    sha256: str | None = None
    content_digest: str | None = None


@dataclass(frozen=True, slots=True)
class FileToCheck:
    """A file to examine: its stem (no folder, no ``.fits``), and the ledger's record of it, None without one."""

    name: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Sound:
    """A file that passed every proof.

    did: None only where neither ledger nor file tells it (an archive without an identity card).
    known: the ledger has these very digests already.
    redated: other bytes than the ledger remembers, but the same content: the server writes a new date into each answer.
    """

    name: str
    did: SpectrumId | None
    verified: VerifiedSpectrum
    known: bool = False
    redated: bool = False


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that is not the spectrum its name promises. ``gate`` is a Gate or DIGEST, ``kind`` a FailureKind or
    ``changed``; ``detail`` is one sentence for people."""

    name: str
    did: SpectrumId | None
    check: str
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The ledger remembers a file, or the folder listed one, that is not there."""

    name: str
    did: SpectrumId | None
    detail: str
    check: str = PRESENCE


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file of which nothing can be said: it cannot be read, or reading it tripped a bug of ours."""

    name: str
    did: SpectrumId | None
    detail: str
    check: str = READING


@dataclass(frozen=True, slots=True)
class UnrelatedFile:
    """A file under a name that no spectrum can have: somebody else's, which no harvest will ever count."""

    name: str


Fault = Damaged | Missing | Unreadable
Finding = Sound | UnrelatedFile | Fault


FEW = 10  # files that may fail alike without telling of more than their own damage


def too_common(damaged: Iterable[Damaged], checked: int) -> set[str]:
    """Kinds that tell of a wrong setting rather than of damage: a disk does not turn most of a folder's files, sound
    in structure, into spectra of another band."""
    judged = Counter(fault.kind for fault in damaged if fault.check in (Check.IDENTITY, Check.SCIENCE))
    return {kind for kind, number in judged.items() if number > max(FEW, checked // 2)}


class Content(NamedTuple):
    """One spectrum as it was at some time: digests in hex, the content's None where it was never taken."""

    did: SpectrumId
    sha256: str
    content_digest: str | None
