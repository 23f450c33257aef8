"""The IDX files of MNIST: `magic number, sizes (big-endian), unsigned bytes`, gzipped or raw.

References:
    The MNIST database of handwritten digits (LeCun, Cortes & Burges, 1998),
        http://yann.lecun.com/exdb/mnist/
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import torch
from torch import Tensor

from ...system import machine
from ...system.errors import DataError

NAMES = {"train": "train", "test": "t10k"}  # split: how its file names begin


KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")


DEFLATE_RATIO = 1032  # no gzip file grows more: https://zlib.net/zlib_tech.html


STEP = 1 << 20  # bytes


def read_split(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Images `(N, H, W)` and labels `(N,)` of a split, both uint8.

    The files are looked for in `folder`, `folder/raw` and `folder/MNIST/raw`.
    """
    images_path = find(folder, f"{NAMES[split]}-{KINDS[0]}")
    labels_path = find(folder, f"{NAMES[split]}-{KINDS[1]}")
    images, labels = read(images_path, dimensions=3), read(labels_path, dimensions=1)
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path} has {len(labels):,} labels, {images_path} has {len(images):,} images."
        )
    return images, labels


def find(folder: Path, name: str) -> Path:
    """The file of this name, gzipped or raw, in one of the usual places."""
    try:
        for place in (folder, folder / "raw", folder / "MNIST" / "raw"):
            for path in (place / f"{name}.gz", place / name):
                if path.is_file():
                    return path
    except OSError as error:
        raise DataError(f"Cannot read {folder}: {error.strerror}.") from error
    raise DataError(
        f"{folder} has no file {name} or {name}.gz, nor has its folder raw or MNIST/raw. "
        "Put the four MNIST-format files there; without data_dir, the MNIST inside is read."
    )


def read(path: Path, dimensions: int) -> Tensor:
    """The uint8 array of an IDX file with this number of dimensions."""
    try:
        zipped = path.suffix == ".gz"
        with cast(BinaryIO, gzip.open(path) if zipped else path.open("rb")) as file:
            shape = _read_sizes(file, path, dimensions)
            size = path.stat().st_size
            limit = size * DEFLATE_RATIO if zipped else size - file.tell()
            return _read_bytes(file, path, math.prod(shape), limit).view(shape)
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def _read_sizes(file: BinaryIO, path: Path, dimensions: int) -> tuple[int, ...]:
    header = file.read(4 + 4 * dimensions)
    if not header:
        raise DataError(f"{path} is empty: 0 bytes found, expected an IDX file.")
    magic = struct.pack(">I", 0x800 + dimensions)
    if header[:4] != magic:
        page = ": it looks like a web page" if header[:1] == b"<" else ""
        raise DataError(
            f"{path} is not an IDX file of {dimensions} dimensions{page}. "
            f"Expected it to begin with 0x{magic.hex()}, found 0x{header[:4].hex()}."
        )
    if len(header) < 4 + 4 * dimensions:
        raise DataError(f"{path} is short: its header has only {len(header)} bytes.")
    shape: tuple[int, ...] = struct.unpack(f">{dimensions}I", header[4:])
    if 0 in shape:
        raise DataError(f"{path} is empty: expected images or labels, found sizes {shape}.")
    return shape


def _read_bytes(file: BinaryIO, path: Path, expected: int, limit: int) -> Tensor:
    """`expected` bytes, read in place: the array is never held twice."""
    header = "expected by its header"
    if expected > limit:
        raise DataError(f"{path} is short: {expected:,} bytes {header}, at most {limit:,} found.")
    machine.require_memory(expected, str(path))
    content = bytearray(expected)
    view, filled = memoryview(content), 0
    while filled < expected and (count := file.readinto(view[filled : filled + STEP])):  # type: ignore[attr-defined]
        filled += count
    if filled < expected:
        raise DataError(f"{path} is short: {expected:,} bytes {header}, {filled:,} found.")
    if file.read(1):
        raise DataError(f"{path} is too long: {expected:,} bytes {header}, more found.")
    return torch.frombuffer(content, dtype=torch.uint8)
