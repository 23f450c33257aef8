"""Locks of a study: of its journal, of its folder, and of each trial that a worker trains.

The system releases them when a process ends, however it ends: nothing waits for a killed worker.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock


class JournalLock(JournalFileOpenLock):
    """The lock of a journal while a process appends to it.

    Optuna's own locks are files that stay when their process is killed: others then wait for a
    grace period of 30 seconds, and two of them may end it at once.

    Args:
        journal: Path of the journal.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self.journal = journal
        self.lock = FileLock(journal.with_name(f"{journal.name}.lock"))

    def acquire(self) -> bool:
        """Wait for the lock, and remove the line that a process left unfinished."""
        self.lock.acquire()
        _cut_unfinished_line(self.journal)
        return True

    def release(self) -> None:
        """Give the lock back."""
        self.lock.release()


def journal_backend(journal: Path) -> JournalFileBackend:
    """The journal of a study; it is made if there is none."""
    return JournalFileBackend(str(journal), lock_obj=JournalLock(journal))


def _cut_unfinished_line(journal: Path) -> None:
    """Cut a journal after its last whole line: the reader refuses a broken one in the middle."""
    with journal.open("rb+") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


@contextmanager
def study_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a study's folder: while a trial is given out, and at the end of all."""
    with FileLock(folder / ".lock"):
        yield


def claim(folder: Path, number: int) -> BaseFileLock | None:
    """The lock of a trial, held until it is released; None if another worker trains the trial.

    The lock of the run does not exist yet when a trial begins, so it cannot tell.
    """
    lock = FileLock(folder / f".trial-{number:03}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock
