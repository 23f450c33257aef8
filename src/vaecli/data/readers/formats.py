"""The formats of the user's own images: a table of functions that list them.

To add a format, write a function `list_x(path) -> Listing` in a new module of this package, and
add its suffixes to `LISTERS`. It raises `DataError` if the file cannot be listed at all; `files`
and `decode` read an image that lies in a file, `entries.Layout` finds classes and splits by names.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ...system.errors import DataError
from . import entries, files
from .archives import list_archive
from .arrays import list_npy, list_npz
from .folders import list_folder
from .item import Item, Listing
from .tables import list_table

Lister = Callable[[Path], Listing]

LISTERS: dict[str, Lister] = {  # by the suffix of a file
    ".zip": list_archive,
    ".npy": list_npy,
    ".npz": list_npz,
    ".csv": list_table,
    ".tsv": list_table,
}
CAN_BE_READ = (
    "a folder of images, an image file, " + ", ".join(LISTERS) + ", or a folder of MNIST's files"
)


def list_images(path: Path) -> Listing:
    """The images of a folder or file; no image is read yet.

    Args:
        path: A folder, an image file, or a file with a suffix of `LISTERS`.

    Raises:
        DataError: There is nothing that can be read, or no image in it.
    """
    listing = _lister(path)(path)
    if not listing.items:
        found = entries.describe(listing.skipped) or "it is empty"
        shown = entries.printable(str(path))
        raise DataError(f"{shown} has no image that can be read: {found}.")
    return listing


def list_paths(paths: Sequence[Path]) -> Listing:
    """The images of several folders and files, in the order given.

    Args:
        paths: As for `list_images`.

    Raises:
        DataError: One of them cannot be read, or has no image.
    """
    items: list[Item] = []
    skipped: Counter[str] = Counter()
    notices: list[str] = []
    names: Counter[str] = Counter()
    for path in paths:
        listing = list_images(path)
        skipped.update(listing.skipped)
        notices += listing.notices
        is_one = _lister(path) is _list_image
        for item in listing.items:
            name = item.name if is_one else f"{entries.printable(str(path))}/{item.name}"
            names[name] += 1
            if names[name] > 1:  # given twice
                name = f"{name} ({names[name]})"
            items.append(replace(item, name=name))
    return Listing(items, skipped, notices)


def _lister(path: Path) -> Lister:
    """The function that lists a path, by what the path is."""
    shown = entries.printable(str(path))
    try:
        if path.is_dir():
            return list_folder
        if not path.exists():
            raise DataError(f"{shown} does not exist: choose {CAN_BE_READ}.")
        if not path.is_file():
            raise DataError(f"{shown} is neither a file nor a folder: choose {CAN_BE_READ}.")
        lister = LISTERS.get(path.suffix.lower())
        if lister is None and not files.why_skipped(str(path), path.name):
            return _list_image
    except OSError as error:
        raise DataError(f"Cannot read {shown}: {error.strerror}.") from error
    if lister is None:
        raise DataError(f"{shown} is of no format that is read: choose {CAN_BE_READ}.")
    return lister


def _list_image(path: Path) -> Listing:
    try:
        return Listing([files.image_file(os.fspath(path)).item(None, None)])
    except OSError as error:
        shown = entries.printable(str(path))
        raise DataError(f"Cannot read {shown}: {error.strerror}.") from error
