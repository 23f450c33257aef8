"""What the cache of decoded images contains, and its removal."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from . import cache_files
from .cache_files import INDEX, LOCK, PIXELS


@dataclass(frozen=True)
class Entry:
    """A set of decoded images, or what is left of one.

    Attributes:
        folder: Where it is.
        size: Bytes on the disk.
        used: When it was last used, in seconds since 1970; None if unknown.
        shape: `(N, C, H, W)`; None if it cannot be used.
        description: What was said of the images when they were made; empty if it cannot be used.
    """

    folder: Path
    size: int
    used: float | None = None
    shape: tuple[int, ...] | None = None
    description: Mapping[str, Any] | None = None


def list_entries() -> list[Entry]:
    """All that is in the cache, the last used first.

    Raises:
        ConfigError: The cache cannot be listed.
    """
    found = [_read(folder) for folder in cache_files.entry_folders(cache_files.cache_folder())]
    return sorted(found, key=lambda entry: (-(entry.used or 0), entry.folder))


def remove_entry(entry: Entry) -> bool:
    """Remove a set of images, but nothing that vaecli did not make; false if it is in use."""
    try:
        with FileLock(entry.folder / LOCK).acquire(timeout=0):
            if _is_in_use(entry.folder / PIXELS):
                return False
            cache_files.remove_files(entry.folder)
    except (Timeout, OSError):
        return False
    return not (entry.folder / PIXELS).exists()


def _read(folder: Path) -> Entry:
    size = 0
    with suppress(OSError):
        size = sum(path.lstat().st_size for path in folder.iterdir())
    try:
        index = cache_files.read_index(folder)
        used = (folder / INDEX).stat().st_mtime
    except (OSError, ValueError):
        return Entry(folder, size)
    return Entry(folder, size, used, tuple(index["shape"]), index["description"])


def _is_in_use(path: Path) -> bool:
    """Whether a process has mapped the pixels; then it keeps the lock that this lets go at once."""
    try:
        with path.open("r+b") as file:
            return not cache_files.hold(file.fileno(), alone=True)
    except FileNotFoundError:
        return False
