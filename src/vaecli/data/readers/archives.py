"""A zip archive of images, read without unpacking it to the disk."""

import io
import os
import stat
import weakref
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path

from PIL import Image

from ...system.errors import DataError
from . import decode, files
from .entries import Layout, ignored, not_an_image, not_an_image_by_head, printable
from .heads import HEAD_BYTES
from .item import BadImageError, Item, Listing, Outline

MAX_DEFLATE_RATIO = 1032  # unpacked bytes per packed byte: https://zlib.net/zlib_tech.html
MAX_ENTRY_BYTES = 400_000_000  # unpacked; 100 million pixels of 4 bytes
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others need much memory, and are rare
ENCRYPTED = 1  # bit of the flags

LINK = "links"
UNREADABLE = "unreadable"
OVERWRITTEN = "followed by an entry of the same name"


def list_archive(path: Path) -> Listing:
    """The images in a zip archive, by the rules of a folder.

    Nothing is written, so that names with `..` do no harm. Archives inside are not opened.

    Args:
        path: The archive.

    Raises:
        DataError: It is damaged or encrypted, or cannot be read.
    """
    archive = _Archive(path)
    skipped: Counter[str] = Counter()
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.entries():
        parts = [part for part in info.filename.split("/") if part not in ("", ".", "..")]
        if info.is_dir() or not parts:
            continue
        name = "/".join(parts)
        if reason := archive.why_skipped(info, parts):
            skipped[reason] += 1
            continue
        skipped[OVERWRITTEN] += name in found
        found[name] = info
    layout = Layout(found)
    items = []
    for name in sorted(found):
        place = layout.place(name)
        if place.skipped:
            skipped[place.skipped] += 1
            continue
        info = found[name]
        shown = printable(name)
        read = partial(archive.read, info, shown)
        outline = partial(archive.outline, info, shown)
        version = f"{info.file_size}:{info.CRC:08x}"
        items.append(Item(shown, read, place.label, place.split, version, outline))
    return Listing(items, +skipped, layout.notices)


class _Archive:
    """An open archive; several threads may read it.

    Args:
        path: The archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shown = printable(str(path))
        try:
            file = path.open("rb")
        except OSError as error:
            raise DataError(f"Cannot read {self._shown}: {error.strerror}.") from error
        weakref.finalize(self, file.close)
        self._stamp = files.stamp(os.fstat(file.fileno()))
        try:
            # The file is ours: a ZipFile that opens it itself may close it while a thread reads.
            self._zip = zipfile.ZipFile(file)
        except Exception as error:  # of several kinds, by what is damaged
            file.close()
            raise DataError(f"{self._shown} is no zip archive, or damaged: {error}.") from error

    def entries(self) -> list[zipfile.ZipInfo]:
        """All entries.

        Raises:
            DataError: One is encrypted.
        """
        entries = self._zip.infolist()
        for info in entries:
            if info.flag_bits & ENCRYPTED:
                raise DataError(
                    f"{self._shown} is encrypted ({printable(info.filename)}): unpack it with its "
                    "password, and choose the folder."
                )
        return entries

    def why_skipped(self, info: zipfile.ZipInfo, parts: list[str]) -> str:
        """Why an entry is no image of the data set; empty if it is one.

        Args:
            info: The entry.
            parts: Folders and name of the entry.
        """
        for part in parts:
            if reason := ignored(part):
                return reason
        if stat.S_ISLNK(info.external_attr >> 16):
            return LINK
        by_name = not_an_image(parts[-1])
        if by_name is not None:
            return by_name
        try:
            with self._zip.open(info) as file:
                return not_an_image_by_head(file.read(HEAD_BYTES))
        except Exception:  # damaged, in one of many ways
            return UNREADABLE

    def read(self, info: zipfile.ZipInfo, shown: str) -> Image.Image:
        """The image of an entry, as `decode.read_image` returns it.

        Raises:
            DataError: The archive changed or vanished.
        """
        return decode.read_image(self._content(info, shown), shown)

    def outline(self, info: zipfile.ZipInfo, shown: str) -> Outline:
        """What its head says, as `decode.read_outline` returns it.

        Raises:
            DataError: The archive changed or vanished.
        """
        return decode.read_outline(self._content(info, shown), shown)

    def _content(self, info: zipfile.ZipInfo, shown: str) -> io.BytesIO:
        """The unpacked bytes of an entry, at most those that its head declares."""
        files.require_unchanged(str(self._path), self._shown, self._stamp)
        if info.compress_type not in METHODS:
            raise BadImageError(
                f"{shown} is compressed by method {info.compress_type}, where stored and deflated "
                "entries are read."
            )
        size = info.file_size
        if size > MAX_ENTRY_BYTES:
            raise BadImageError(
                f"{shown} is too large: {size:,} bytes, at most {MAX_ENTRY_BYTES:,} are read."
            )
        if size > info.compress_size * MAX_DEFLATE_RATIO:
            raise BadImageError(
                f"{shown} is damaged: {info.compress_size:,} bytes cannot hold {size:,}."
            )
        try:
            with self._zip.open(info) as file:
                head = file.read(HEAD_BYTES)
                if not_an_image_by_head(head) and not info.filename.lower().endswith(".tga"):
                    return io.BytesIO(head)  # is refused without unpacking the rest
                # read() without a size would unpack all that there is, not what is declared
                return io.BytesIO(head + file.read(size))
        except Exception as error:  # of several kinds, by what is damaged
            raise BadImageError(f"{shown} is damaged in {self._shown}: {error}.") from error
