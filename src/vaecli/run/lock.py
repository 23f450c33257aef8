"""The lock of a run: only one process at a time may train it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..system.errors import ConfigError
from . import names
from .record import read_record


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a run. The system releases it if the process is killed.

    Raises:
        ConfigError: Another process holds it, or the folder is read-only.
    """
    lock = FileLock(folder / names.LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        holder = read_record(folder)
        raise ConfigError(
            f"{folder} is being trained by process {holder.pid} on {holder.host}."
        ) from None
    except OSError as error:
        raise ConfigError(f"Cannot write in {folder}: {error.strerror}.") from error
    try:
        yield
    finally:
        (folder / names.LOCK).unlink(missing_ok=True)
        lock.release()
