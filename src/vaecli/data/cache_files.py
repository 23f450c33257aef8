"""The files of the cache of decoded images: where they are, their locks, their index.

Every set of images is a folder, named by its key: `pixels.bin` has the pixels, one image after the
other, and `index.json` what they are. Without an index there are none.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from ..system import files
from ..system.errors import ConfigError

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl

FORMAT = 1
PIXELS = "pixels.bin"
INDEX = "index.json"
LOCK = ".lock"
INDEX_LIMIT = 2**28  # bytes
POLL_INTERVAL = 0.2  # seconds, while another process decodes the same images
ADVICE = "Set VAECLI_CACHE to another folder."


def cache_folder() -> Path:
    """The folder of the cache: $VAECLI_CACHE, else vaecli in the user's folder of caches.

    Raises:
        ConfigError: There is no home directory.
    """
    if chosen := os.environ.get("VAECLI_CACHE"):
        return Path(chosen).absolute()
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if caches.is_absolute():
        return caches / "vaecli"
    try:
        return Path.home() / ".cache" / "vaecli"
    except RuntimeError:
        raise ConfigError(
            "Decoded images need a cache, and there is no home directory: set VAECLI_CACHE to a "
            "folder."
        ) from None


def hold(handle: int, alone: bool = False) -> bool:
    """Lock an open file until its last handle and mapping are gone; false if another holds it.

    Args:
        handle: Handle of the file.
        alone: Whether nobody else may hold it; else many can at once.
    """
    if fcntl is not None:  # Windows itself refuses to remove a file that is mapped
        mode = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        try:
            fcntl.flock(handle, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a disk without locks
            return not alone
    return True


def read_index(folder: Path) -> dict[str, Any]:
    """What `index.json` says of the images in a folder of the cache.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, or of another version.
    """
    index = files.parse_json(files.read_file(folder / INDEX, INDEX_LIMIT))
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise ValueError(f"{INDEX} is not of format {FORMAT}")
    for name in ("shape", "left_out"):
        numbers = index.get(name)
        if not isinstance(numbers, list) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError(f"{INDEX} has a wrong {name}")
    shape = index["shape"]
    left_out = index["left_out"]
    if len(shape) != 4 or not all(shape):
        raise ValueError(f"{INDEX} has a wrong shape")
    chunks = index.get("chunks")
    if not isinstance(chunks, list) or not all(isinstance(chunk, str) for chunk in chunks):
        raise ValueError(f"{INDEX} has wrong chunks")
    if len(set(left_out)) < len(left_out) or max(left_out, default=0) >= shape[0] + len(left_out):
        raise ValueError(f"{INDEX} has a wrong left_out")
    if not isinstance(index.get("description"), dict):
        raise ValueError(f"{INDEX} has a wrong description")
    return index


@contextmanager
def writing(folder: Path, on_wait: Callable[[], object]) -> Iterator[None]:
    """Be the only process that writes to a folder of the cache, which is made if it is missing.

    At the end it is removed if it has no images.

    Raises:
        ConfigError: It cannot be written to.
        ResourceError: The disk is full.
    """
    try:
        lock = _acquire(folder, on_wait)
    except OSError as error:
        wrong = files.write_error(error, f"to the cache of decoded images, {folder.parent}")
        raise type(wrong)(f"{wrong} {ADVICE}") from error
    try:
        yield
    finally:
        remove_leftovers(folder)
        if not os.path.lexists(folder / INDEX):
            remove_files(folder)
        lock.release()


def _acquire(folder: Path, on_wait: Callable[[], object]) -> BaseFileLock:
    """The lock of a folder of the cache, as soon as no other process holds it."""
    path = folder / LOCK
    lock = FileLock(path)
    has_waited = False
    while True:
        for place in (folder.parent, folder):
            place.mkdir(mode=0o755, parents=True, exist_ok=True)  # others may only read
        try:
            lock.acquire(timeout=0)
            if path.exists():
                return lock
            lock.release()
        except FileNotFoundError:
            pass  # the process that held it has just removed the folder
        except Timeout:
            if not has_waited:
                on_wait()
            has_waited = True
        time.sleep(POLL_INTERVAL)


def remove_files(folder: Path) -> None:
    """Remove a folder of the cache whose lock is held, but nothing that vaecli did not make."""
    remove_leftovers(folder)
    for name in (INDEX, PIXELS, LOCK):
        with suppress(OSError):
            (folder / name).unlink()
    with suppress(OSError):
        folder.rmdir()


def remove_leftovers(folder: Path) -> None:
    """Remove what a process left that was killed while it wrote to a folder whose lock is held."""
    with suppress(OSError):
        for path in filter(files.is_temporary, list(folder.iterdir())):
            path.unlink()


def entry_folders(cache: Path) -> list[Path]:
    """The folders in the cache that are named by a key.

    Raises:
        ConfigError: The cache cannot be listed.
    """
    try:
        return [path for path in sorted(cache.iterdir()) if _is_entry(path)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"Cannot list the cache {cache}: {error.strerror}. {ADVICE}") from error


def _is_entry(folder: Path) -> bool:
    is_key = len(folder.name) == 64 and set(folder.name) <= set("0123456789abcdef")
    return is_key and not folder.is_symlink() and folder.is_dir()


def remove_all_leftovers(cache: Path, but: Path) -> None:
    """Remove what killed processes left in all folders of the cache but one."""
    for folder in entry_folders(cache):
        with suppress(Timeout, OSError):
            if folder != but and any(map(files.is_temporary, folder.iterdir())):
                with FileLock(folder / LOCK).acquire(timeout=0):
                    remove_leftovers(folder)
