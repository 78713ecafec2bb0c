"""Proving a whole folder again: every file from structure to digest, on one core or several, one finding each.

Which spectrum a file must be is known from the ledger's record or, without one, from the file's own identity card,
provided that this spectrum's file has this name. Nothing is changed here; a process holds one file at a time.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import stat
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from itertools import chain
from multiprocessing.connection import wait
from pathlib import Path

from ..catalog.names import plain_name, slug_name
from ..config.configuration import Configuration
from ..errors import StoreError
from ..fits.describe import quote
from ..fits.errors import InvalidSpectrumError
from ..formatting import plain_line
from ..model.batching import Pool, batches, in_order
from ..model.failures import FailureKind
from ..model.findings import DIGEST, Damaged, FileToCheck, Finding, Missing, Record, Sound, Unreadable, UnrelatedFile
from ..model.outcomes import Check, FailedCheck, VerifiedSpectrum
from ..model.target import SpectrumId, parse_did
from ..storage.directory import DirectoryStore
from ..storage.interface import Store
from ..storage.open_store import open_store
from ..storage.url import ObjectAddress
from ..verify import verify_spectrum
from ..verify.expectation import Expectation

CHUNK = 200  # files handed to a process at once: about a tenth of a second, so that handing over costs nothing
CONCURRENT_DOWNLOADS = 16  # downloads at once
LARGEST = 2**30  # bytes of a file that is read at all: far above any spectrum, far below what would fill the memory

Places = Callable[[Path, str], Iterable[Path]]
"""Where in a folder the file of a name may lie, the likeliest first. A process of its own gets it pickled."""

Read = Callable[[str], bytes | FailedCheck]
"""The bytes of what has a name, or why they are no spectrum. FileNotFoundError if there is nothing."""

_SLUG = re.compile(r"[A-Za-z0-9_]+-(?:[0-9a-f]{8}|[0-9a-f]{64})")


def flat(folder: Path, name: str) -> Iterable[Path]:
    """All files lie beside each other."""
    return (folder / f"{name}.fits",)


def audit(
    folder: Path,
    work: Iterable[FileToCheck],
    expected: Expectation,
    processes: int = 1,
    chunk: int = CHUNK,
    places: Places = flat,
) -> Generator[Finding, None, None]:
    """A finding for each of ``work``, in its order, as it comes; ``work`` is taken only as fast as it is done.

    What fits into one chunk is done here, without other processes. With more, ``__main__`` must be importable (the
    processes are spawned), and BrokenProcessPool is raised if the system kills one of them.
    """
    examine = partial(examine_files, folder, expected, places)
    chunks = batches(work, chunk)
    first = next(chunks, [])
    second = next(chunks, None)
    if processes <= 1 or second is None:
        for some in chain([first], [] if second is None else [second], chunks):
            yield from (examine_file(folder, each, expected, places) for each in some)
        return
    # Spawned, not forked: the caller may have threads. Two chunks a process hide the way there and back.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _leave_with_parent) as pool:
        try:
            for findings in in_order(Pool(pool, processes), examine, chain([first, second], chunks)):
                yield from findings
        finally:
            pool.shutdown(cancel_futures=True)


def audit_through(
    read: Read, work: Iterable[FileToCheck], expected: Expectation, hands: int = CONCURRENT_DOWNLOADS
) -> Generator[Finding, None, None]:
    """The same for what is far away: ``hands`` at once, each waiting for its own. What ``read`` raises as StoreError
    ends it."""
    with ThreadPoolExecutor(hands) as pool:
        try:
            yield from in_order(Pool(pool, hands), lambda each: examine(each, expected, read), work)
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_with_parent() -> None:
    """In a process of the pool: Ctrl-C is the parent's business, and nobody stays behind when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


def examine_files(folder: Path, expected: Expectation, places: Places, some: list[FileToCheck]) -> list[Finding]:
    """What each of these files proves to be."""
    return [examine_file(folder, each, expected, places) for each in some]


def examine_file(folder: Path, examined: FileToCheck, expected: Expectation, places: Places = flat) -> Finding:
    """What one file proves to be. Never raises for what is in a file or on a disk."""
    return examine(examined, expected, lambda name: _read_from(places(folder, name)))


def examine(examined: FileToCheck, expected: Expectation, read: Read) -> Finding:
    """What the bytes that ``read`` gives prove to be. StoreError is all that it raises."""
    name, record = examined.name, examined.record
    did = record.did if record else None
    if record is None and not is_spectrum_name(name):
        return UnrelatedFile(name)
    try:
        raw = read(name)
        if isinstance(raw, FailedCheck):
            return Damaged(name, did, raw.check, raw.kind, raw.detail)
        return _judge(name, raw, record, expected)
    except FileNotFoundError:
        why = "the ledger remembers it, but it is not there" if record else "it went away while it was looked for"
        return Missing(name, did, why)
    except StoreError:
        raise
    except OSError as error:
        return Unreadable(name, did, f"it cannot be read: {error.strerror or error}")
    except Exception as bug:  # noqa: BLE001 - one odd file must not end the audit, nor be taken for damaged by it
        return Unreadable(name, did, plain_line(f"a bug of ours tripped over it ({type(bug).__name__}: {bug})"))


def _read_from(paths: Iterable[Path]) -> bytes | FailedCheck:
    """The first that is there."""
    for path in paths:
        with suppress(FileNotFoundError):
            return _read(path)
    raise FileNotFoundError


def _read(path: Path) -> bytes | FailedCheck:
    """The file's bytes. Neither a link nor a pipe that stands in its place is followed or waited for."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return _NO_FILE
    if status.st_size > LARGEST:
        return _TOO_LARGE
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read()


_NO_FILE = FailedCheck(Check.STRUCTURE, FailureKind.NOT_FITS, "it is no file but a folder, a link or a device")
_TOO_LARGE = FailedCheck(
    Check.STRUCTURE, FailureKind.TOO_LARGE, f"it is larger than {LARGEST:,} bytes, which no spectrum is"
)


def _judge(name: str, raw: bytes, record: Record | None, expected: Expectation) -> Finding:
    claimed = None if record else did_in_file(raw, expected.identity_card)
    did = record.did if record else _spectrum_of(name, claimed)
    verdict = verify_spectrum(raw, did or SpectrumId(""), expected)
    if isinstance(verdict, FailedCheck):
        detail = verdict.detail
        if did is None and verdict.kind is FailureKind.WRONG_SPECTRUM:
            detail = f"the file says that it is {quote((claimed or '').encode())}, whose file has another name"
        return Damaged(name, did, verdict.check, verdict.kind, detail)
    return _compare(name, did, verdict, record)


def _compare(name: str, did: SpectrumId | None, verified: VerifiedSpectrum, record: Record | None) -> Finding:
    """Whether a good file is still the one that was saved."""
    if record is None or not (record.content_digest or record.sha256):
        return Sound(name, did, verified)
    same_bytes = record.sha256 == verified.sha256
    by_content = record.content_digest is not None
    then, now = (record.content_digest, verified.content_digest) if by_content else (record.sha256, verified.sha256)
    if then != now:
        digest = "content digest" if by_content else "SHA-256"
        detail = f"it is a spectrum, but not what was saved: its {digest} was {str(then)[:16]}…, now it is {now[:16]}…"
        return Damaged(name, did, DIGEST, "changed", detail)
    return Sound(name, did, verified, known=same_bytes and by_content, redated=not same_bytes)


def is_spectrum_name(name: str) -> bool:
    """Whether some spectrum's file may have this stem."""
    return plain_name(SpectrumId(f"ivo://a/{name}")) == name or _SLUG.fullmatch(name) is not None


def file_names_itself(path: Path, name: str, card: str | None) -> bool:
    """Whether the file at ``path`` says by its identity card that it is the spectrum whose file is called ``name``."""
    if card is None or not is_spectrum_name(name):
        return False
    try:
        raw = _read(path)
    except OSError:
        return False
    return not isinstance(raw, FailedCheck) and _spectrum_of(name, did_in_file(raw, card)) is not None


def did_in_file(raw: bytes, card: str | None) -> str | None:
    """The DID that a file's identity card names, None where there is no such card or no readable header."""
    if card is None:
        return None
    from ..fits.hdu import read_hdus  # needs numpy, which a plan does without

    try:
        values = [hdu.header.value(card) for hdu in read_hdus(raw)]
    except InvalidSpectrumError:
        return None  # the gates will say what is wrong
    return next((value for value in reversed(values) if isinstance(value, str)), None)


def _spectrum_of(name: str, claimed: str | None) -> SpectrumId | None:
    """The DID that a file claims, if its file has this name."""
    try:
        did = parse_did(claimed or "")
    except ValueError:
        return None
    return did if name in (plain_name(did), slug_name(did), slug_name(did, 64)) else None


def proved_again(
    configuration: Configuration, shelf: Store, work: Iterable[FileToCheck], processes: int, pool: Pool | None = None
) -> Generator[Finding, None, None]:
    """A finding for each of ``work``, in its order: from a folder by several processes, from afar by many downloads,
    or, wherever they are, by a ``pool`` of other machines."""
    expected = configuration.expectation
    if pool is not None:
        place, home = configuration.absolute_locations()
        examine = partial(_proved_there, place, home, expected)
        return _one_by_one(in_order(pool, examine, batches(work, CHUNK)))
    if isinstance(shelf, DirectoryStore):
        return audit(shelf.folder, work, expected, processes, places=shelf.layout.paths)
    return audit_through(shelf.read, work, expected)


def _one_by_one(chunks: Generator[list[Finding], None, None]) -> Generator[Finding, None, None]:
    with closing(chunks):
        for some in chunks:
            yield from some


def _proved_there(
    place: ObjectAddress | Path, home: Path, expected: Expectation, some: list[FileToCheck]
) -> list[Finding]:
    """On another machine: what has these names in the store at ``place``."""
    if isinstance(place, Path):
        return examine_files(place, expected, DirectoryStore(place).layout.paths, some)
    return list(audit_through(open_store(place, home, refresh=False).read, some, expected))
