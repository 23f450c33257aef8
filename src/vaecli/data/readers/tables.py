"""A table of image paths, with labels and splits where it has them: `.csv` or `.tsv`."""

import codecs
import csv
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn, TextIO

from ...system.errors import DataError
from . import files
from .entries import IMAGE_SUFFIXES, SPLITS, printable
from .item import BadImageError, Item, Listing, SplitName

PATH_COLUMNS = (
    *("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path"),
    *("img", "img_path", "image_name", "image_file", "image_filename"),
)
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target", "y")
SPLIT_COLUMNS = ("split", "set", "subset", "partition")
DELIMITERS = ",;\t|"
DUPLICATE = "images listed again"
MAX_LINE = 100_000  # characters


class Columns(NamedTuple):
    """Which column holds what, from 0; `has_header` if the first row names them."""

    path: int
    label: int | None
    split: int | None
    has_header: bool


class Row(NamedTuple):
    """A row of the table; `line` is where it ends, from 1."""

    line: int
    path: str
    label: str | None
    split: SplitName | None


def list_table(table: Path) -> Listing:
    """The images that a table lists, in its order; paths are relative to its folder.

    Commas, semicolons, tabs or bars separate the columns. The first row names them, as in
    `PATH_COLUMNS`, `LABEL_COLUMNS` and `SPLIT_COLUMNS`; without names, the paths are the column of
    names of image files, and the labels the next.

    Args:
        table: The file.

    Raises:
        DataError: It is damaged, or has no column of paths.
    """
    seen: dict[object, str | None] = {}  # labels by what identifies a file
    skipped: Counter[str] = Counter()
    conflicts = 0
    items = []
    for row in _rows(table):
        identity, item = _image(str(table.parent), row)
        if identity in seen:
            skipped[DUPLICATE] += 1
            conflicts += seen[identity] != row.label
        else:
            seen[identity] = row.label
            items.append(item)
    notices = []
    if conflicts:
        notices.append(
            f"Some rows of {printable(str(table))} give an image another label than an earlier row "
            f"does ({conflicts:,}): the first label counts."
        )
    return Listing(items, skipped, notices)


def _image(folder: str, row: Row) -> tuple[object, Item]:
    """What identifies the file of a row, and its item, which is bad if there is no file."""
    shown = printable(row.path)
    path = os.path.join(folder, row.path)
    if "\\" in row.path and not os.path.exists(path):  # written by Windows
        path = os.path.join(folder, row.path.replace("\\", "/"))
    try:
        info = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in it
        reason = getattr(error, "strerror", None) or "no such name is possible"
        refuse = partial(_refuse, f"{shown}, line {row.line:,}, cannot be read: {reason}.")
        return os.path.normpath(path), Item(shown, refuse, row.label, row.split, "missing")
    if not stat.S_ISREG(info.st_mode):
        refuse = partial(_refuse, f"{shown}, line {row.line:,}, is not a file.")
        return os.path.normpath(path), Item(shown, refuse, row.label, row.split, "no file")
    root, name = folder, row.path
    if path != f"{folder}/{name}":
        root, name = os.path.split(path)
    file = files.ImageFile(root, name, shown, files.stamp(info))
    return (info.st_dev, info.st_ino), file.item(row.label, row.split)


def _refuse(message: str) -> NoReturn:
    raise BadImageError(message)


def _rows(table: Path) -> Iterator[Row]:
    """The rows, checked."""
    shown = printable(str(table))
    columns = None
    for line, cells in _cells(table, shown):
        if columns is None:
            columns = _columns(cells, shown)
            if columns.has_header:
                continue
        used = [column for column in columns[:3] if column is not None]
        if len(cells) <= max(used):
            raise DataError(
                f"{shown}, line {line:,}: has too few columns, {len(cells)} instead of "
                f"{max(used) + 1}."
            )
        if not cells[columns.path]:
            raise DataError(f"{shown}, line {line:,}: the path is empty.")
        label = None
        if columns.label is not None and cells[columns.label]:
            label = printable(cells[columns.label])
        split = None
        if columns.split is not None and cells[columns.split]:
            split = SPLITS.get(cells[columns.split].lower())
            if split is None:
                raise DataError(
                    f"{shown}, line {line:,}: the split {printable(cells[columns.split])} is "
                    f"unknown, choose one of {', '.join(SPLITS)}."
                )
        yield Row(line, cells[columns.path], label, split)


def _cells(table: Path, shown: str) -> Iterator[tuple[int, list[str]]]:
    """The number of each line that is not empty, and its cells without spaces around them."""
    try:
        with table.open("rb") as file:
            head = file.read(2)
        encoding = "utf-8-sig"
        if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):  # of Excel
            encoding = "utf-16"
        # Bytes that are no UTF-8 may be those of a file name: surrogates keep them.
        with table.open(encoding=encoding, errors="surrogateescape", newline="") as text:
            first = next((line for line in _lines(text) if line.strip()), "")
            text.seek(0)
            rows = csv.reader(_lines(text), delimiter=_delimiter(first, table.suffix), strict=True)
            for row in rows:
                if any(map(str.strip, row)):
                    yield rows.line_num, [cell.strip() for cell in row]
    except OSError as error:
        raise DataError(f"Cannot read {shown}: {error.strerror}.") from error
    except (csv.Error, UnicodeError) as error:
        raise DataError(f"{shown} is no table of text, or damaged: {error}.") from error


def _lines(text: TextIO) -> Iterator[str]:
    """The lines of a file that may be no text at all."""
    while line := text.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise csv.Error(f"a line has more than {MAX_LINE:,} characters")
        yield line


def _delimiter(line: str, suffix: str) -> str:
    """What separates the columns of the first line."""
    if suffix.lower() == ".tsv":
        return "\t"
    return max(DELIMITERS, key=line.count)


def _columns(cells: list[str], shown: str) -> Columns:
    """The columns by the first row: its names, or what looks like the name of an image file."""
    names = [cell.lower() for cell in cells]
    path = _index(names, PATH_COLUMNS)
    if path is not None:
        label = _index(names, LABEL_COLUMNS)
        return Columns(path, label, _index(names, SPLIT_COLUMNS), has_header=True)
    for i, name in enumerate(names):
        if os.path.splitext(name)[1] in IMAGE_SUFFIXES:
            others = [j for j in range(len(cells)) if j != i]
            return Columns(i, min(others, default=None), None, has_header=False)
    found = ", ".join(map(printable, cells[:20]))
    raise DataError(
        f"{shown} has no column of image paths: call it path, and the labels label. Found: "
        f"{found[:200]}."
    )


def _index(names: list[str], known: Sequence[str]) -> int | None:
    """The column with the first of the known names that there is."""
    return next((names.index(name) for name in known if name in names), None)
