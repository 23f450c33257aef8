"""The cache of decoded images as a table for a person."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ..data.cache_entries import Entry
from ..system.text import escape_controls
from .messages import count


def total(entries: Sequence[Entry]) -> str:
    """The number of sets of images, and their size together."""
    size = sum(entry.size for entry in entries)
    return f"{count(len(entries), 'set')} of decoded images ({_megabytes(size)})"


def cache_table(cache: Path, entries: Sequence[Entry]) -> str:
    """Where the cache is, and a line for every set of images in it."""
    lines = [f"{cache}: {total(entries)}", *map(_line, entries)]
    return "\n".join(escape_controls(line) for line in lines)


def _line(entry: Entry) -> str:
    """The size of a set of images, what they are and where they come from, and their last use."""
    cells = [f"{_megabytes(entry.size):>12}"]
    if entry.shape is None or entry.description is None or entry.used is None:
        return "  ".join([*cells, f"unfinished or damaged: {entry.folder}"])
    number, channels, height, width = entry.shape
    cells.append(f"{count(number, 'image')} of {width}x{height}x{channels}")
    cells.append(str(entry.description.get("source", "unknown source")))
    cells.append(f"last used {datetime.fromtimestamp(entry.used):%Y-%m-%d}")
    return "  ".join(cells)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
