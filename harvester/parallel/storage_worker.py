"""The storage process: verify bodies and commit those that pass.

Its last argument is the number of an open socket. What arrives while a batch is verified and synced becomes the next
batch, so no timer and no thread is needed. It ends when the run's process does, once all that it was sent is stored:
until then it holds the run's lock, which it has inherited.
"""

from __future__ import annotations

import logging
import os
import pickle
import select
import signal
import socket
import sys
from contextlib import suppress

from ..model.expectation import Expectation
from ..model.outcomes import LongVerification, VerifiedSpectrum
from ..storage.group_commit import MAX_BATCH, BatchCommitter
from ..verify import verify_by_own_readers
from .storage_messages import SentBody, StorageJob, Stored, packed_results

log = logging.getLogger(__name__)


def main() -> None:
    """Work until the other end is closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[-1])) as end:
        job: StorageJob = pickle.loads(end.recv(1 << 16))  # noqa: S301 - our socket pair
        committer = BatchCommitter(*(folder for folder, _, _ in job.folders))
        if _are_as_they_were(job):
            end.sendall(packed_results([]))  # it is ready
            _work(end, job.expected, committer)
    os._exit(0)  # all is stored: the interpreter would free its memory first, for 60 ms in which the run waits


def _are_as_they_were(job: StorageJob) -> bool:
    """Return whether the folders are those that the run has begun with."""
    found = ((folder.stat(), device, inode) for folder, device, inode in job.folders)
    return all((status.st_dev, status.st_ino) == (device, inode) for status, device, inode in found)


def _work(end: socket.socket, expected: Expectation, committer: BatchCommitter) -> None:
    more = select.poll()
    more.register(end, select.POLLIN)
    while (sent := SentBody.receive(end)) is not None:
        batch, verdicts = [sent], [_verdict(sent, expected)]
        while len(batch) < MAX_BATCH and more.poll(0) and (sent := SentBody.receive(end)) is not None:
            batch.append(sent)
            verdicts.append(_verdict(sent, expected))
        sound = [number for number, each in enumerate(verdicts) if isinstance(each.verdict, VerifiedSpectrum)]
        faults = committer.commit([(batch[number].path, batch[number].body) for number in sound]) if sound else []
        for number, fault in zip(sound, faults, strict=True):
            if fault is not None:
                verdicts[number] = Stored(verdicts[number].verdict, _portable(fault))
        with suppress(ConnectionError):  # the run is gone: the next one finds what is stored
            end.sendall(packed_results(verdicts))


def _verdict(sent: SentBody, expected: Expectation) -> Stored:
    try:
        verdict = verify_by_own_readers(sent.body, sent.did, expected)
        return Stored(None if isinstance(verdict, LongVerification) else verdict)
    except Exception as bug:
        log.exception("bug while verifying %s", sent.did, exc_info=bug)
        return Stored(None, _portable(bug))


def _portable(fault: Exception) -> Exception:
    """Return an exception that the other end can unpickle."""
    try:
        pickle.loads(pickle.dumps(fault))  # noqa: S301 - made one moment ago
    except Exception:  # noqa: BLE001 - exceptions may have constructors of any kind
        return RuntimeError(f"{type(fault).__name__}: {fault}")
    return fault
