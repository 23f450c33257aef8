"""Arrays of NumPy: `.npy`, and `.npz` with or without labels and splits. Pickles are never read."""

import math
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image

from ...system import machine
from ...system.errors import DataError, VaecliError
from ...system.text import escape_controls
from . import files
from .archives import MAX_DEFLATE_RATIO, METHODS
from .entries import SPLITS, printable
from .item import Item, Listing, Outline, SplitName
from .pixel_arrays import PixelArray

ITEM_BYTES = 600  # of memory for each image listed
IMAGE_KEYS = ("images", "image", "imgs", "x", "data", "pixels", "arr_0")
LABEL_KEYS = ("labels", "label", "y", "targets", "target", "classes", "arr_1")
OTHER = "arrays that are neither images nor labels"


def list_npy(path: Path) -> Listing:
    """The images in a `.npy` file, which stays on the disk until each is read.

    Args:
        path: The file.

    Raises:
        DataError: It is damaged, or is no array of images.
        ResourceError: It does not fit into memory, where its order makes that necessary.
    """
    shown = printable(str(path))
    with _reading(shown), path.open("rb") as file:
        info = os.fstat(file.fileno())
        listed = files.stamp(info)
        shape, is_fortran, dtype = _header(file, info.st_size, shown)
        order: Literal["C", "F"] = "F" if is_fortran else "C"
        array: NDArray[Any] = np.memmap(str(path), dtype, "r", file.tell(), shape, order)
        if is_fortran:  # an image is scattered over the file
            machine.require_memory(array.nbytes, shown)
            array = np.ascontiguousarray(array)
    pixels = PixelArray(array, shown)
    read = partial(_read_row, pixels, str(path), shown, listed)
    return Listing(_items(pixels, read, "", listed, None, None), notices=pixels.notices)


def list_npz(path: Path) -> Listing:
    """The images in a `.npz` file, with labels and splits where it has them.

    The arrays are found by their names: `IMAGE_KEYS` and `LABEL_KEYS`, or these with a split before
    or after them, such as `x_train` or `train_images`; an only array may have any name.

    Args:
        path: The file.

    Raises:
        DataError: It is damaged, or its arrays are no images.
        ResourceError: It does not fit into memory.
    """
    shown = printable(str(path))
    items: list[Item] = []
    notices: list[str] = []
    with _reading(shown), path.open("rb") as file, zipfile.ZipFile(file) as archive:
        listed = files.stamp(os.fstat(file.fileno()))
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        chosen = _choose(list(members), shown)
        for images, labels, split in chosen:
            what = f"{printable(images)} in {shown}"
            pixels = PixelArray(_member(archive, members[images], what), what)
            classes = None
            if labels is not None:
                what = f"{printable(labels)} in {shown}"
                classes = _classes(_member(archive, members[labels], what), len(pixels), what)
            read = partial(_read_loaded, pixels)
            items += _items(pixels, read, printable(images), listed, classes, split)
            notices += pixels.notices
    used = {name for images, labels, _ in chosen for name in (images, labels)}
    return Listing(items, +Counter({OTHER: len(members.keys() - used)}), notices)


def _items(
    pixels: PixelArray,
    read: Callable[[int], Image.Image],
    prefix: str,
    stamp: str,
    classes: Sequence[str] | None,
    split: SplitName | None,
) -> list[Item]:
    """An item for each image; `read` takes its index."""
    machine.require_memory(len(pixels) * ITEM_BYTES, f"a list of {len(pixels):,} images")
    outline = partial(_outline, pixels)
    return [
        Item(f"{prefix}[{i}]", partial(read, i), label, split, stamp, outline)
        for i, label in zip(range(len(pixels)), classes or repeat(None), strict=False)
    ]


def _read_loaded(pixels: PixelArray, index: int) -> Image.Image:
    return pixels.image(index)


def _read_row(pixels: PixelArray, path: str, shown: str, listed: str, index: int) -> Image.Image:
    files.require_unchanged(path, shown, listed)
    return pixels.image(index)


def _outline(pixels: PixelArray) -> Outline:
    return pixels.outline


@contextmanager
def _reading(shown: str) -> Iterator[None]:
    """Turn whatever goes wrong with a damaged file into `DataError`."""
    try:
        yield
    except VaecliError:
        raise
    except Exception as error:  # of several kinds, by what is damaged
        text = str(error).partition(": <ast.")[0]  # where the head is no literal; then an address
        reason = escape_controls(" ".join(text.split()))[:100].rstrip(".")
        raise DataError(f"{shown} cannot be read: {reason or type(error).__name__}.") from error


def _header(file: IO[bytes], size: int, what: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and type, from the head of an array.

    Args:
        file: At the start of the head; is left at its end.
        size: Bytes of head and array together.
        what: What messages call the array.
    """
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = npy.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, is_fortran, dtype = npy.read_array_header_2_0(file)
    else:
        raise DataError(f"{what} has the version {version} of the format, where 1 or 2 is read.")
    if dtype.hasobject:
        raise DataError(
            f"{what} contains Python objects (pickles), which could run programs: save it as "
            "an array of numbers, or of text by .astype(str)."
        )
    if 0 in shape:
        raise DataError(f"{what} is empty: its shape is {shape}.")
    expected = math.prod(shape) * dtype.itemsize
    if expected != size - file.tell():
        raise DataError(
            f"{what} is damaged: its head declares {expected:,} bytes of values, and "
            f"{size - file.tell():,} follow."
        )
    return shape, is_fortran, dtype


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, what: str) -> NDArray[Any]:
    """An array of a `.npz` file."""
    size = info.file_size
    if size > info.compress_size * MAX_DEFLATE_RATIO:
        raise DataError(f"{what} is damaged: {info.compress_size:,} bytes cannot hold {size:,}.")
    if info.compress_type not in METHODS:
        raise DataError(f"{what} is compressed by method {info.compress_type}, which is not read.")
    machine.require_memory(size, what)
    with archive.open(info) as file:
        _header(file, size, what)
    with archive.open(info) as file:
        array: NDArray[Any] = npy.read_array(file)
        return array


def _choose(keys: list[str], shown: str) -> list[tuple[str, str | None, SplitName | None]]:
    """The arrays of images, each with the array of its labels, and its split."""
    names = {key.lower(): key for key in keys}
    chosen: list[tuple[str, str | None, SplitName | None]] = []
    for word, split in SPLITS.items():
        images = _first(names, IMAGE_KEYS, word)
        if images is not None:
            chosen.append((images, _first(names, LABEL_KEYS, word), split))
    if chosen:
        return chosen
    images = _first(names, IMAGE_KEYS)
    if images is None and len(keys) == 1:
        images = keys[0]
    if images is None:
        found = ", ".join(map(printable, keys[:20])) or "none"
        raise DataError(
            f"{shown} has no array that is known to be images: call it images, or train_images "
            f"and test_images, and the labels labels. Found: {found}."
        )
    return [(images, _first(names, LABEL_KEYS), None)]


def _first(names: dict[str, str], wanted: Sequence[str], split: str = "") -> str | None:
    """The first of the wanted names that there is, with the split before or after it."""
    for word in wanted:
        for name in (f"{split}_{word}", f"{word}_{split}"):
            if name.strip("_") in names:
                return names[name.strip("_")]
    return None


def _classes(labels: NDArray[Any], count: int, what: str) -> list[str]:
    """The names of the classes of `count` images."""
    if labels.shape not in ((count,), (count, 1)):
        raise DataError(
            f"{what} has shape {labels.shape}, where one label for each of {count:,} images is "
            "expected: of one-hot labels store the .argmax(1)."
        )
    values = labels.reshape(-1)
    if values.dtype.kind == "f" and (values == np.rint(values)).all():
        values = values.astype(np.int64)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind not in "biuU":
        raise DataError(f"{what} has type {values.dtype}, where whole numbers or text is expected.")
    unique, inverse = np.unique(values, return_inverse=True)
    classes = [printable(str(value)) for value in unique.tolist()]
    return [classes[i] for i in inverse.reshape(-1).tolist()]
