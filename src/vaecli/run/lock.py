"""The lock of a run: only one process at a time may train it."""

import os
import platform
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from ..system.errors import ConfigError, RunError
from . import names
from .record import read_record

PATIENCE = 0.2  # seconds: a process that only asks whether the lock is free holds it for a moment


class RunIsLocked(ConfigError):
    """Another process trains the run."""


@contextmanager
def run_lock(folder: Path, run: Path | None = None) -> Iterator[None]:
    """Hold the lock of a run. The system releases it if the process is killed.

    The lock goes with the directory if it is renamed.

    Args:
        folder: The run directory.
        run: How the error names the run, by default `folder`.

    Raises:
        RunIsLocked: Another process holds it.
        ConfigError: The folder is read-only.
    """
    path = folder / names.LOCK
    lock = _acquire(folder, run or folder)
    mine = path.lstat()
    with suppress(OSError):  # on a full disk the lock does not say who holds it
        path.write_text(f"{os.getpid()}\n{platform.node()}\n", encoding="utf-8")
    try:
        yield
    finally:
        with suppress(OSError):  # the directory was renamed, or removed
            if os.path.samestat(path.lstat(), mine):
                path.unlink()
        lock.release()


def require_free(folder: Path, run: Path | None = None) -> None:
    """Raise the errors of `run_lock`, as far as possible without writing."""
    if os.path.lexists(folder / names.LOCK):
        _acquire(folder, run or folder).release()


def _acquire(folder: Path, run: Path) -> BaseFileLock:
    path = folder / names.LOCK
    lock = FileLock(path)
    try:
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise ConfigError(f"{path} is not an ordinary file: remove it.")
        lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 10)
    except Timeout:
        raise RunIsLocked(f"{run} is being trained by {holder(folder)}.") from None
    except OSError as error:
        raise ConfigError(f"Cannot write in {run}: {error.strerror}.") from error
    return lock


def holder(folder: Path) -> str:
    """The process that holds the lock, as its file or else run.json names it."""
    with suppress(OSError), (folder / names.LOCK).open("rb") as file:
        text = file.read(300).decode(errors="replace")
        if found := re.match(r"(\d+)\n([\w.-]+)\n", text):
            return f"process {found[1]} on {found[2]}"
    with suppress(RunError):
        record = read_record(folder)
        if record.pid is not None:
            return f"process {record.pid} on {record.host}"
    return "another process"
