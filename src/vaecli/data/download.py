"""Downloads of public data sets: files with known checksums, which torchvision then unpacks.

A download works in a folder of its own, `.download-NAME`. The files go to their places once all are
complete and were read, so that a download that was stopped never passes for a data set. The next
one goes on where it stopped.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from filelock import FileLock, Timeout
from torchvision.datasets.utils import check_integrity

from ..config.spec import lookup
from ..system import machine
from ..system.errors import ConfigError, DataError
from ..system.files import write_error
from .readers.named import BUNDLED_MNIST, READERS
from .readers.public_sets import PUBLIC_SETS, PublicSet, default_folder
from .readers.torchvision_sets import Archive, archives, unpack

TIMEOUT = 30  # seconds to wait for an answer
CHUNK_BYTES = 1 << 18  # written at a time
NEEDED_UNPACKED_ONLY = (".gz", ".zip")  # endings of archives that are deleted once unpacked
LOCK = "lock"

OnProgress = Callable[[str, int, int | None], None]


class DataSet(NamedTuple):
    """A data set on disk.

    Attributes:
        folder: What `data_dir` names, with the files in it.
        counts: Number of images of each split.
        shape: Shape of an image, `(H, W)` or `(C, H, W)`.
        is_new: Whether it was downloaded now.
    """

    folder: Path
    counts: dict[str, int]
    shape: tuple[int, ...]
    is_new: bool


def download(name: str, directory: Path | None, on_progress: OnProgress) -> DataSet:
    """Download a data set, unless it is there.

    Args:
        name: Its name.
        directory: Folder of data sets; None for the default one.
        on_progress: Is called with what is done, how many bytes of it are done, and how many there
            are, None if that is unknown.

    Raises:
        ConfigError: There is no such data set, the folder cannot be written, or another process
            downloads the same.
        DataError: A file cannot be downloaded, or is not the expected one.
        ResourceError: The disk is full.
    """
    lookup(READERS, name, "data set")
    if name not in PUBLIC_SETS:
        return _describe(name, None, BUNDLED_MNIST)
    folder = directory or default_folder()
    with suppress(DataError):  # it is missing or damaged
        return _describe(name, folder, folder)
    chosen = PUBLIC_SETS[name]
    machine.require_disk(folder, chosen.disk)
    with _staging_folder(folder, name) as staging:
        for archive in archives(chosen):
            _get(archive, staging, folder, chosen.disk, on_progress)
        on_progress("Unpacking and checking", 0, None)
        _install(chosen, staging, folder)
    return _describe(name, folder, folder)._replace(is_new=True)


def _describe(name: str, directory: Path | None, folder: Path) -> DataSet:
    counts = {}
    for split in ("train", "test"):
        pixels, _ = READERS[name](directory, split)
        counts[split] = len(pixels)
        shape = tuple(pixels.shape[1:])
    return DataSet(folder, counts, shape, is_new=False)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Make an `OSError` in the block one of ours."""
    try:
        yield
    except OSError as error:
        raise write_error(error, str(path)) from error


@contextmanager
def _staging_folder(folder: Path, name: str) -> Iterator[Path]:
    """The folder in which a data set is downloaded, locked; it stays if it holds something."""
    staging = folder / f".download-{name}"
    is_new = not folder.exists()
    lock = FileLock(staging / LOCK)
    with _disk_errors(staging):
        staging.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise ConfigError(f"Another process is downloading {name} into {folder}.") from None
    try:
        yield staging
        shutil.rmtree(staging, ignore_errors=True)
    finally:
        lock.release()
        with suppress(OSError):
            if {path.name for path in staging.iterdir()} <= {LOCK}:
                shutil.rmtree(staging)
                if is_new:
                    folder.rmdir()  # fails unless it is empty


def _get(archive: Archive, staging: Path, folder: Path, most: int, on_progress: OnProgress) -> None:
    """Put a file into the staging folder: from the folder of data sets, or from the network."""
    name = archive.path.name
    target = staging / name
    given = folder / archive.path
    if _is_right(target, archive):
        return
    if _is_right(given, archive):
        _link(given, target)
        return
    partial = staging / f"{name}.part"
    reasons = []
    for url in archive.urls:
        try:
            _transfer(url, partial, name, most, on_progress)
        except (OSError, HTTPException, ValueError) as error:
            reasons.append(f"{url}: {_reason(error)}")
            continue
        with _disk_errors(partial):
            if _is_right(partial, archive):
                os.replace(partial, target)
                return
            partial.unlink()
        reasons.append(f"{url} is another file than torchvision expects: its checksum differs")
    raise DataError(
        f"Cannot download {name}. {'; '.join(reasons)}. Run the command again to go on, or first "
        f"put the file into {given.parent} by other means."
    )


def _is_right(path: Path, archive: Archive) -> bool:
    """Whether there is a file with the checksum of an archive."""
    try:
        return bool(check_integrity(path, archive.md5))
    except OSError:
        return False


def _transfer(url: str, partial: Path, name: str, most: int, on_progress: OnProgress) -> None:
    """Append the rest of a file to its part, or download it from the start.

    Raises:
        OSError, HTTPException, ValueError: It failed; the part is kept.
    """
    done = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": "vaecli"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        answer = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if done and error.code == 416:  # the part is not one of this file
            partial.unlink()
        raise
    with answer:
        if answer.status != 206:  # the server does not know ranges
            done = 0
        total = None if answer.length is None else done + answer.length
        on_progress(f"Downloading {name}", done, total)
        with _disk_errors(partial):
            # unbuffered: else a full disk would raise again where the file is closed
            file = partial.open("ab" if done else "wb", buffering=0)
        with file:
            while chunk := answer.read(CHUNK_BYTES):
                rest = memoryview(chunk)
                with _disk_errors(partial):
                    while rest:
                        rest = rest[file.write(rest) :]
                done += len(chunk)
                on_progress(f"Downloading {name}", done, total)
                if done > most:
                    file.truncate(0)
                    raise ValueError(f"it has more than {most:,} bytes")
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done:,} of {total:,} bytes")


def _reason(error: Exception) -> str:
    """What went wrong in the network, in a few words."""
    if isinstance(error, HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        return f"no answer for {TIMEOUT} s"
    if isinstance(error, URLError):
        error = error.reason if isinstance(error.reason, Exception) else error
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _link(source: Path, target: Path) -> None:
    """The same file under another path; a copy where the file system has no links."""
    with _disk_errors(target):
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)


def _install(chosen: PublicSet, staging: Path, folder: Path) -> None:
    """Unpack and read the downloaded archives, then move the files to their places."""
    unpacked = staging / "unpacked"
    with _disk_errors(unpacked):
        if unpacked.exists():  # of a download that was stopped
            shutil.rmtree(unpacked)
        for archive in archives(chosen):
            place = unpacked / archive.path
            place.parent.mkdir(parents=True, exist_ok=True)
            _link(staging / place.name, place)
        unpack(chosen, unpacked)
        for archive in archives(chosen):
            if archive.path.suffix in NEEDED_UNPACKED_ONLY:
                (unpacked / archive.path).unlink()
        for path in sorted(unpacked.rglob("*")):
            if path.is_file():
                target = folder / path.relative_to(unpacked)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
