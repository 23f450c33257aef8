"""Decoded images on the disk, for those that do not fit in memory: made once, then mapped.

The key of a set of decoded images is a hash of all that they depend on, so that a source that
changed is decoded anew. `cache_files` says how they lie on the disk, `cache_entries` lists and
removes them.
"""

import hashlib
import json
import math
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch
from torch import Tensor

from ..system import files
from ..system.errors import DataError, ResourceError
from ..system.machine import require_disk
from ..system.version import __version__
from .cache_files import (
    ADVICE,
    FORMAT,
    INDEX,
    PIXELS,
    cache_folder,
    hold,
    read_index,
    remove_all_leftovers,
    remove_leftovers,
    writing,
)
from .mapped import CHUNK, MappedPixels, PixelDigest

MIN_SIZE = 2**30  # bytes: with more, decoded images are cached rather than held in memory
WINDOW = 256  # images that are written at a time


class Window(NamedTuple):
    """Some decoded images.

    Attributes:
        pixels: Unsigned bytes, shape `(n, C, H, W)`.
        kept: Their positions among all images, ascending, also from one window to the next.
    """

    pixels: Tensor
    kept: Sequence[int]


def windows_of(images: Iterable[tuple[int, Tensor]]) -> Iterator[Window]:
    """Images as windows.

    Args:
        images: The position of each, and its pixels, shape `(C, H, W)`, in order.
    """
    images = iter(images)
    while part := list(islice(images, WINDOW)):
        positions, pixels = zip(*part, strict=True)
        yield Window(torch.stack(pixels), positions)


@dataclass(frozen=True)
class Cached:
    """Images in the cache. They are not removed as long as one of their tensors exists.

    Attributes:
        mapped: The pixels, shape `(N, C, H, W)`.
        kept: The positions of the N images among all that were to be decoded, shape `(N,)`.
        folder: Where they are.
        description: What was said of them when they were made.
        notices: What the user should know.
    """

    mapped: MappedPixels
    kept: Tensor
    folder: Path
    description: Mapping[str, Any]
    notices: tuple[str, ...] = ()


def needs_cache(count: int, shape: tuple[int, int, int]) -> bool:
    """Whether so many images of shape `(C, H, W)` are cached; else they are held in memory.

    The free memory has no say: the order of training, and so its result, depends on the answer.
    """
    return count * math.prod(shape) > MIN_SIZE


def cache_key(items: Iterable[tuple[str, str]], *options: object) -> str:
    """The key of decoded images: 64 hexadecimal digits.

    Args:
        items: Name and stamp of every image, in the order of their pixels.
        options: All else that the pixels depend on, such as their size.
    """
    digest = hashlib.sha256(repr((FORMAT, *options)).encode())
    for item in items:
        digest.update(repr(item).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def open_cached(key: str) -> Cached | None:
    """Images that are in the cache; None if they are not, or are damaged.

    Raises:
        ResourceError: The address space is too small.
    """
    try:
        return _open(cache_folder() / key)
    except (OSError, ValueError):
        return None


def make_cached(
    key: str,
    rows: int,
    shape: tuple[int, int, int],
    windows: Callable[[], Iterable[Window]],
    description: Mapping[str, Any],
    on_wait: Callable[[], object] = lambda: None,
) -> Cached:
    """Images of the cache, decoded unless they are there.

    Whatever ends this, the process itself included, the cache has them whole or not at all. If
    another process decodes the same images, this one waits for it.

    Args:
        key: Their `cache_key`.
        rows: Number of images to decode.
        shape: Shape of an image, `(C, H, W)`.
        windows: Decodes the images, and yields those to keep, in order.
        description: What to store with them, as JSON; read when all are decoded.
        on_wait: Called once if another process decodes the same images.

    Raises:
        ConfigError: The folder of the cache cannot be written to.
        DataError: No image was kept, or `windows` raised it.
        ResourceError: The disk is full, or the address space is too small.
    """
    folder = cache_folder() / key
    if found := open_cached(key):
        return found
    with writing(folder, on_wait):
        if found := open_cached(key):
            return found
        notices = _notice_damage(folder)
        remove_leftovers(folder)
        remove_all_leftovers(folder.parent, but=folder)
        try:
            require_disk(folder, rows * math.prod(shape))
        except ResourceError as error:
            raise ResourceError(f"{error} {ADVICE}") from error
        _write(folder, rows, shape, windows, description)
        try:
            return replace(_open(folder), notices=notices)
        except (OSError, ValueError) as error:
            raise ResourceError(f"Cannot read the images written to {folder}: {error}.") from error


def _open(folder: Path) -> Cached:
    """The images in a folder of the cache.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is damaged.
        ResourceError: The address space is too small.
    """
    index = read_index(folder)
    if len(index["chunks"]) != math.ceil(index["shape"][0] / CHUNK):
        raise ValueError(f"{INDEX} has wrong chunks")
    path = folder / PIXELS
    if not files.is_ordinary(path):
        raise ValueError(f"{PIXELS} is missing")
    with path.open("rb") as file:
        if not hold(file.fileno()):
            raise ValueError(f"{PIXELS} is being removed")
        found = os.fstat(file.fileno())
        if not os.path.samestat(found, path.stat()):
            raise ValueError(f"{PIXELS} was replaced")
        size = math.prod(index["shape"])
        if found.st_size != size:
            raise ValueError(f"{PIXELS} has {found.st_size:,} bytes, not {size:,}")
        mapped = MappedPixels(file.fileno(), tuple(index["shape"]), index["chunks"])
    with suppress(OSError):
        os.utime(folder / INDEX)  # the time of the last use
    is_kept = torch.ones(index["shape"][0] + len(index["left_out"]), dtype=torch.bool)
    is_kept[index["left_out"]] = False
    return Cached(mapped, is_kept.nonzero().squeeze(1), folder, index["description"])


def _notice_damage(folder: Path) -> tuple[str, ...]:
    """A notice about images that are in the cache, but cannot be used."""
    if not os.path.lexists(folder / INDEX):
        return ()
    try:
        _open(folder)
    except (OSError, ValueError) as error:
        return (f"The decoded images in {folder} were damaged ({error}): they were made anew.",)
    return ()


def _write(
    folder: Path,
    rows: int,
    shape: tuple[int, int, int],
    windows: Callable[[], Iterable[Window]],
    description: Mapping[str, Any],
) -> None:
    """Decode images into a folder of the cache whose lock is held; as `make_cached`."""
    digest = PixelDigest()
    is_kept = torch.zeros(rows, dtype=torch.bool)
    temporary = folder / f".tmp-{secrets.token_hex(4)}"  # see `files.is_temporary`
    with _create(temporary) as file:
        for window in windows():
            _append(file, window.pixels)
            digest.add(window.pixels)
            is_kept[list(window.kept)] = True
        _sync(file)
    count = int(is_kept.sum())
    if not count:
        raise DataError(f"None of the {rows:,} images could be read.")
    index = {
        "format": FORMAT,
        "version": __version__,
        "shape": [count, *shape],
        "chunks": digest.chunks,
        "left_out": (~is_kept).nonzero().flatten().tolist(),
        "description": dict(description),
    }
    try:
        os.replace(temporary, folder / PIXELS)
        files.write_atomic(folder / INDEX, json.dumps(index).encode())
        (folder / INDEX).chmod(0o644 & (folder / INDEX).stat().st_mode)  # others may only read
    except OSError as error:
        raise files.write_error(error, str(folder)) from error


def _create(path: Path) -> IO[bytes]:
    """A new file that others may only read; unbuffered, so that closing it writes nothing."""
    try:
        return open(path, "xb", buffering=0, opener=_for_others_to_read)
    except OSError as error:
        raise files.write_error(error, str(path)) from error


def _for_others_to_read(path: str, flags: int) -> int:
    return os.open(path, flags, 0o644)


def _append(file: IO[bytes], pixels: Tensor) -> None:
    """Write pixels at the end of a file.

    Not through a mapping: there a full disk would end the process.
    """
    left = pixels.contiguous().flatten().numpy().data
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise _no_room(file, error) from error


def _sync(file: IO[bytes]) -> None:
    """Flush a file to the disk: some disks say only then that they are full."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        raise _no_room(file, error) from error


def _no_room(file: IO[bytes], error: OSError) -> ResourceError:
    what = f"decoded images to {Path(file.name).parent} (after {file.tell():,} bytes)"
    return ResourceError(f"{files.write_error(error, what)} {ADVICE}")
