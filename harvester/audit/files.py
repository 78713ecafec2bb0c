"""Verify stored files again.

Each file is verified from structure to digest, on one core or several, and gives one finding.

Which spectrum a file must be is known from the ledger's record or, without one, from the identifier in its header,
provided that this spectrum's file may have this name. Nothing is changed here; a process holds one file at a time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from ..catalog.names import did_named, is_spectrum_name
from ..config.configuration import Configuration
from ..errors import StoreError
from ..fits.describe import quote
from ..formatting import count, plain_line
from ..model.batching import Pool, batches, in_order, spawned
from ..model.expectation import Expectation
from ..model.failures import FailureKind
from ..model.findings import DIGEST, Damaged, FileToCheck, Finding, Missing, Record, Sound, Unreadable, UnrelatedFile
from ..model.outcomes import Check, FailedCheck, Level, VerifiedSpectrum
from ..model.target import SpectrumId
from ..storage.directory import DirectoryStore
from ..storage.interface import Store
from ..storage.layout import SUFFIXES
from ..storage.open_store import open_store
from ..storage.url import ObjectAddress
from ..verify import verify_spectrum

FILES_PER_TASK = 200  # sent to a process at once: about a tenth of a second, so that sending costs nothing
CONCURRENT_DOWNLOADS = 16
LARGEST = 2**30  # bytes of a file that is read at all: far above any spectrum, far below what would fill the memory

Paths = Callable[[Path, str], Iterable[Path]]
"""Return where in a folder the file of a name may be, the likeliest first. It is pickled for other processes."""

Read = Callable[[str], bytes | FailedCheck]
"""Return the bytes stored under a name, or why they are no spectrum. FileNotFoundError if there is nothing."""


def flat(folder: Path, name: str) -> Iterable[Path]:
    """Return the paths in a folder where all files are beside each other."""
    return tuple(folder / f"{name}{suffix}" for suffix in SUFFIXES)


def verify_folder(
    folder: Path,
    work: Iterable[FileToCheck],
    expected: Expectation,
    processes: int = 1,
    chunk: int = FILES_PER_TASK,
    paths: Paths = flat,
) -> Generator[Finding, None, None]:
    """Yield a finding for each of ``work``, in its order.

    ``work`` is taken only as fast as it is done.

    What fits into one chunk is done here, without other processes. With more, ``__main__`` must be importable (the
    processes are spawned), and BrokenProcessPool is raised if the system kills one of them.
    """
    verify = partial(verify_files, folder, expected, paths)
    chunks = batches(work, chunk)
    first = next(chunks, [])
    second = next(chunks, None)
    if processes <= 1 or second is None:
        for some in chain([first], [] if second is None else [second], chunks):
            yield from (verify_file(folder, each, expected, paths) for each in some)
        return
    with spawned(processes) as pool:  # two chunks a process hide the way there and back
        for findings in in_order(pool, verify, chain([first, second], chunks)):
            yield from findings


def verify_through(
    read: Read, work: Iterable[FileToCheck], expected: Expectation, threads: int = CONCURRENT_DOWNLOADS
) -> Generator[Finding, None, None]:
    """Yield the same for what ``read`` downloads, several at once.

    StoreError of ``read`` ends it.
    """
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from in_order(Pool(pool, threads), lambda each: verify_bytes(each, expected, read), work)
        finally:
            pool.shutdown(cancel_futures=True)


def verify_files(folder: Path, expected: Expectation, paths: Paths, some: list[FileToCheck]) -> list[Finding]:
    """Return a finding for each of these files."""
    return [verify_file(folder, each, expected, paths) for each in some]


def verify_file(folder: Path, file: FileToCheck, expected: Expectation, paths: Paths = flat) -> Finding:
    """Return the finding for one file. Never raises for what is in a file or on a disk."""
    return verify_bytes(file, expected, lambda name: _read_first(paths(folder, name)))


def verify_bytes(file: FileToCheck, expected: Expectation, read: Read) -> Finding:
    """Return the finding for the bytes that ``read`` returns.

    StoreError is all that it raises.
    """
    name, record = file.name, file.record
    did = record.did if record else None
    if record is None and not is_spectrum_name(name):
        return UnrelatedFile(name)
    try:
        raw = read(name)
        if isinstance(raw, FailedCheck):
            return Damaged(name, did, raw.check, raw.kind, raw.detail)
        return _judge(name, raw, record, expected)
    except FileNotFoundError:
        detail = "the ledger has it as stored, but there is no file" if record else "it disappeared during the check"
        return Missing(name, did, detail)
    except StoreError:
        raise
    except OSError as error:
        return Unreadable(name, did, f"it cannot be read: {error.strerror or error}")
    except Exception as bug:  # noqa: BLE001 - one odd file must not end the check, nor be taken for damaged by it
        return Unreadable(name, did, plain_line(f"an internal error while it was read ({type(bug).__name__}: {bug})"))


def _read_first(paths: Iterable[Path]) -> bytes | FailedCheck:
    """Read the first file that exists. FileNotFoundError if none does."""
    for path in paths:
        with suppress(FileNotFoundError):
            return _read(path)
    raise FileNotFoundError


def _read(path: Path) -> bytes | FailedCheck:
    """Return the file's bytes.

    A link is not followed, and a pipe in its place is not waited for.
    """
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return _NO_FILE
    if status.st_size > LARGEST:
        return _TOO_LARGE
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read()


_NO_FILE = FailedCheck(Check.STRUCTURE, FailureKind.NOT_FITS, "it is not a file but a folder, a link or a device")
_TOO_LARGE = FailedCheck(
    Check.STRUCTURE, FailureKind.TOO_LARGE, f"it is larger than {count(LARGEST)} bytes, which no spectrum is"
)


def _judge(name: str, raw: bytes, record: Record | None, expected: Expectation) -> Finding:
    claimed = None if record else did_in_file(raw, expected.identity_card)
    did = record.did if record else did_named(claimed, name)
    if record is not None and record.level is not Level.SCIENCE and expected.accept_stored_level:
        expected = replace(expected, require=Level.STRUCTURE)
    verdict = verify_spectrum(raw, did or SpectrumId(""), expected)
    if isinstance(verdict, FailedCheck):
        detail = verdict.detail
        if did is None and verdict.kind is FailureKind.WRONG_SPECTRUM:
            detail = f"the file says that it is {quote((claimed or '').encode())}, whose file has another name"
        return Damaged(name, did, verdict.check, verdict.kind, detail)
    return _compare(name, did, verdict, record)


def _compare(name: str, did: SpectrumId | None, verified: VerifiedSpectrum, record: Record | None) -> Finding:
    """Compare a good file with what was saved."""
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


def did_of_file(path: Path, name: str, card: str | None) -> SpectrumId | None:
    """Return the DID in the header of the file at ``path``.

    None if there is none, or the file of that spectrum may not be called ``name``.
    """
    if card is None or not is_spectrum_name(name):
        return None
    try:
        raw = _read(path)
    except OSError:
        return None
    return None if isinstance(raw, FailedCheck) else did_named(did_in_file(raw, card), name)


def did_in_file(raw: bytes, card: str | None) -> str | None:
    """Return the DID that a file's header has under the keyword ``card``.

    None without one, or a readable header.
    """
    from ..readers.spectrum_file import identifier_in  # needs numpy, which a plan does without

    return None if card is None else identifier_in(raw, card)


def verify_stored(
    configuration: Configuration, store: Store, work: Iterable[FileToCheck], processes: int, pool: Pool | None = None
) -> Generator[Finding, None, None]:
    """Yield a finding for each of ``work``, in its order.

    A folder is read by several processes, an object store by many downloads, and both by a ``pool`` of other machines
    if there is one.
    """
    expected = configuration.expectation
    if pool is not None:
        location, home = configuration.absolute_locations()
        verify = partial(_verify_remotely, location, home, expected)
        return _one_by_one(in_order(pool, verify, batches(work, FILES_PER_TASK)))
    if isinstance(store, DirectoryStore):
        return verify_folder(store.folder, work, expected, processes, paths=store.layout.paths)
    return verify_through(store.read, work, expected)


def _one_by_one(chunks: Generator[list[Finding], None, None]) -> Generator[Finding, None, None]:
    with closing(chunks):
        for some in chunks:
            yield from some


def _verify_remotely(
    location: ObjectAddress | Path, home: Path, expected: Expectation, some: list[FileToCheck]
) -> list[Finding]:
    """On another machine: return findings for these files in the store at ``location``."""
    if isinstance(location, Path):
        return verify_files(location, expected, DirectoryStore(location).layout.paths, some)
    return list(verify_through(open_store(location, home, refresh=False).read, some, expected))
