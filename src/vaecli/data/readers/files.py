"""`ImageFile`: an image in a file of its own, which must not change between listing and reading."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image

from ...system.errors import DataError
from . import decode
from .entries import not_an_image, not_an_image_by_head, printable
from .heads import HEAD_BYTES
from .item import BadImageError, Item, Outline, SplitName

# A pipe that took the place of a file would block until somebody writes.
NO_WAIT = getattr(os, "O_NONBLOCK", 0)


def stamp(info: os.stat_result) -> str:
    """What changes when a file is written: its size and time."""
    return f"{info.st_size}:{info.st_mtime_ns}"


def require_unchanged(path: str, shown: str, listed: str) -> None:
    """Raise `DataError` unless the `stamp` of a file is the listed one."""
    try:
        now = stamp(os.stat(path))
    except OSError as error:
        raise DataError(f"{shown} vanished after it was listed: start again.") from error
    _require_same(now, shown, listed)


def _require_same(now: str, shown: str, listed: str) -> None:
    if now != listed:
        raise DataError(f"{shown} changed after it was listed: start again.")


class ImageFile:
    """One image file, read by a call; of a million of them each must be small.

    Args:
        root: Folder of the data set.
        name: Path in that folder.
        shown: What messages call it.
        stamp: `stamp` of the file when it was listed.
    """

    __slots__ = ("name", "root", "shown", "stamp")

    def __init__(self, root: str, name: str, shown: str, stamp: str) -> None:
        self.root = root
        self.name = name
        self.shown = shown
        self.stamp = stamp

    def __call__(self) -> Image.Image:
        """The image, as `decode.read_image` returns it.

        Raises:
            DataError: The file changed or vanished.
        """
        with self._open() as file:
            return decode.read_image(file, self.shown)

    def outline(self) -> Outline:
        """What its head says, as `decode.read_outline` returns it.

        Raises:
            DataError: The file changed or vanished.
        """
        with self._open() as file:
            return decode.read_outline(file, self.shown)

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        with open_unchanged(f"{self.root}/{self.name}", self.shown, self.stamp) as file:
            yield file

    def item(self, label: str | None, split: SplitName | None) -> Item:
        """The item of a listing."""
        return Item(self.shown, self, label, split, self.stamp, self.outline)


@contextmanager
def open_unchanged(path: str, shown: str, listed: str) -> Iterator[BinaryIO]:
    """The open file, if its `stamp` is still the listed one.

    Raises:
        DataError: It changed or vanished.
        BadImageError: It may not be read.
    """
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - closed below
    except PermissionError as error:
        raise BadImageError(f"{shown} cannot be read: {error.strerror}.") from error
    except FileNotFoundError as error:
        raise DataError(f"{shown} vanished after it was listed: start again.") from error
    except OSError as error:
        raise DataError(f"{shown} cannot be opened: {error.strerror}.") from error
    with file:
        _require_same(stamp(os.fstat(file.fileno())), shown, listed)
        yield file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | NO_WAIT)


def why_skipped(path: str, name: str) -> str:
    """Why a regular file is no image of the data set; empty if it is one.

    Raises:
        OSError: Its first bytes were needed and cannot be read.
    """
    reason = not_an_image(name)
    if reason is not None:
        return reason
    with open(path, "rb", opener=_open_at_once) as file:
        return not_an_image_by_head(file.read(HEAD_BYTES))


def image_file(path: str) -> ImageFile:
    """A single file, called by its whole path.

    Raises:
        OSError: There is no such file.
    """
    folder, name = os.path.split(path)
    return ImageFile(folder or ".", name, printable(path), stamp(os.stat(path)))
