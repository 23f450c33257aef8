"""The IDX format of MNIST: magic number, sizes (big-endian), unsigned bytes; gzipped or not.

References:
    The MNIST database of handwritten digits (LeCun, Cortes & Burges, 1998),
        http://yann.lecun.com/exdb/mnist/
"""

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from ...system import machine
from ...system.errors import DataError

FILE_PREFIXES = {"train": "train", "test": "t10k"}  # split: first part of its file names
FILE_CONTENTS = ("images-idx3-ubyte", "labels-idx1-ubyte")
MAX_DEFLATE_RATIO = 1032  # unpacked bytes per packed byte: https://zlib.net/zlib_tech.html
CHUNK_BYTES = 1 << 20  # read at a time
UBYTE = 0x08  # type codes of the format
INT = 0x0C
TYPES: dict[int, np.dtype[Any]] = {UBYTE: np.dtype(np.uint8), INT: np.dtype(">i4")}


def read_split(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Images, shape `(N, H, W)`, and labels, shape `(N,)`, of a split, both uint8.

    The files are in `folder`, `folder/raw` or `folder/MNIST/raw`.

    Args:
        folder: Folder with the files of both splits.
        split: "train" or "test".

    Raises:
        DataError: A file is missing or damaged, or the two have different numbers of entries.
    """
    images_name, labels_name = (f"{FILE_PREFIXES[split]}-{content}" for content in FILE_CONTENTS)
    return read_pair(find(folder, images_name), find(folder, labels_name))


def read_pair(images_path: Path, labels_path: Path) -> tuple[Tensor, Tensor]:
    """Images, shape `(N, H, W)`, and labels, shape `(N,)`, of two files, both uint8.

    Raises:
        DataError: A file is damaged, or the two have different numbers of entries.
    """
    # The images may take minutes to read: a mismatch is found before.
    labels = _read_labels(labels_path)
    count = read_sizes(images_path, dimensions=3)[0]
    if count != len(labels):
        raise DataError(
            f"{labels_path} has {len(labels):,} labels, {images_path} has {count:,} images."
        )
    return read(images_path, dimensions=3), labels


def is_in(folder: Path) -> bool:
    """Whether a folder has MNIST-format images for training."""
    try:
        find(folder, f"{FILE_PREFIXES['train']}-{FILE_CONTENTS[0]}")
    except DataError:
        return False
    return True


def _read_labels(path: Path) -> Tensor:
    """The classes of a file of labels; if it has columns of integers, those of the first."""
    if "-idx2-int" not in path.name:
        return read(path, dimensions=1)
    labels = read(path, dimensions=2, type_code=INT)[:, 0]
    if labels.min() < 0 or labels.max() > 255:
        raise DataError(f"{path} has labels from {labels.min()} to {labels.max()}, not 0 to 255.")
    return labels.to(torch.uint8)


def find(folder: Path, name: str) -> Path:
    """The path of the file with this name, gzipped or not, in `folder` or its usual subfolders.

    Raises:
        DataError: There is no such file, or a folder cannot be read.
    """
    for place in (folder, folder / "raw", folder / "MNIST" / "raw"):
        if path := find_in(place, name):
            return path
    raise DataError(
        f"{folder} has no file {name} or {name}.gz, nor has its subfolder raw or MNIST/raw. "
        "Put the four MNIST-format files there, or choose no folder to use the bundled MNIST."
    )


def find_in(folder: Path, name: str) -> Path | None:
    """The path of the file with this name, gzipped or not, in a folder; None if it has none.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        for path in (folder / f"{name}.gz", folder / name):
            if path.is_file():
                return path
    except OSError as error:
        raise DataError(f"Cannot read {folder}: {error.strerror}.") from error
    return None


def read(path: Path, dimensions: int, type_code: int = UBYTE) -> Tensor:
    """The array of an IDX file with this number of dimensions, uint8 or int32.

    Args:
        path: The file.
        dimensions: Number of its dimensions.
        type_code: The type of its numbers, `UBYTE` or `INT`.

    Raises:
        DataError: The file is damaged, or is no such IDX file.
        ResourceError: The array does not fit into memory.
    """
    with _open(path) as file:
        shape = _read_sizes(file, path, dimensions, type_code)
        size = path.stat().st_size
        limit = size * MAX_DEFLATE_RATIO if _is_gzipped(path) else size - file.tell()
        kind = TYPES[type_code]
        content = _read_bytes(file, path, math.prod(shape) * kind.itemsize, limit)
        numbers = np.frombuffer(content, kind)
        return torch.from_numpy(numbers.astype(kind.newbyteorder("="), copy=False)).view(shape)


def read_sizes(path: Path, dimensions: int) -> tuple[int, ...]:
    """The sizes of the array of an IDX file, from its header.

    Raises:
        DataError: The file is no such IDX file.
    """
    with _open(path) as file:
        return _read_sizes(file, path, dimensions)


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    """The open file, unpacked if it is gzipped; errors in the block become `DataError`."""
    try:
        with cast(BinaryIO, gzip.open(path) if _is_gzipped(path) else path.open("rb")) as file:
            yield file
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def _is_gzipped(path: Path) -> bool:
    return path.suffix == ".gz"


def _read_sizes(
    file: BinaryIO, path: Path, dimensions: int, type_code: int = UBYTE
) -> tuple[int, ...]:
    """The sizes in the header, one for each dimension."""
    header = file.read(4 + 4 * dimensions)
    if not header:
        raise DataError(f"{path} is empty: 0 bytes found, expected an IDX file.")
    magic = bytes([0, 0, type_code, dimensions])
    if header[:4] != magic:
        page = ": it looks like a web page" if header[:1] == b"<" else ""
        raise DataError(
            f"{path} is not an IDX file of {dimensions} dimensions{page}. "
            f"Expected it to begin with 0x{magic.hex()}, found 0x{header[:4].hex()}."
        )
    if len(header) < 4 + 4 * dimensions:
        raise DataError(f"{path} is too short: its header has only {len(header)} bytes.")
    shape: tuple[int, ...] = struct.unpack(f">{dimensions}I", header[4:])
    if 0 in shape:
        raise DataError(f"{path} is empty: expected images or labels, found sizes {shape}.")
    return shape


def _read_bytes(file: BinaryIO, path: Path, expected: int, limit: int) -> bytearray:
    """`expected` bytes, read into memory that a tensor can use.

    Args:
        file: An open file, at the end of the header.
        path: Path for error messages.
        expected: Number of bytes according to the header, which may be damaged.
        limit: Most bytes that a file of this size can hold: no more memory is allocated.
    """
    header = "expected by its header"
    if expected > limit:
        raise DataError(
            f"{path} is too short: {expected:,} bytes {header}, at most {limit:,} found."
        )
    machine.require_memory(expected, str(path))
    content = bytearray(expected)
    view = memoryview(content)
    filled = 0
    while filled < expected:
        count = file.readinto(view[filled : filled + CHUNK_BYTES])  # type: ignore[attr-defined]
        if not count:
            raise DataError(f"{path} is too short: {expected:,} bytes {header}, {filled:,} found.")
        filled += count
    if file.read(1):
        raise DataError(f"{path} is too long: {expected:,} bytes {header}, more found.")
    return content
