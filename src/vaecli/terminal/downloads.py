"""What `vaecli data download` shows on stderr."""

import math
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ..data.download import DataSet
from ..data.readers.public_sets import PUBLIC_SETS
from .output import print_stderr
from .progress import choose_mode

Show = Callable[[str, int, int | None], None]


@contextmanager
def download_progress() -> Iterator[Show]:
    """A bar for each file on a terminal, elsewhere a line.

    Gives a function to call with what is done, how many bytes are done, and of how many.
    """
    if choose_mode("auto") == "bar":
        with _bars() as show:
            yield show
        return
    shown = set()

    def show_line(work: str, done: int, total: int | None) -> None:
        if work not in shown:
            shown.add(work)
            size = f" ({total / 1e6:,.1f} MB)" if total else ""
            print_stderr(f"{work}{size} ...")

    yield show_line


@contextmanager
def _bars() -> Iterator[Show]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks = {}

        def show(work: str, done: int, total: int | None) -> None:
            with suppress(OSError):  # the terminal is gone
                if work not in tasks:
                    tasks[work] = progress.add_task(work, total=total)
                progress.update(tasks[work], completed=done, total=total)

        yield show


def data_set_summary(name: str, found: DataSet, directory: Path | None) -> str:
    """What a data set holds, where it is from, and the command that trains on it.

    Args:
        name: Its name.
        found: What is on disk.
        directory: The folder that the user chose.
    """
    *channels, height, width = found.shape
    size = sum(found.counts.values()) * math.prod(found.shape) / 1e6
    kind = "colour" if channels == [3] else "grey"
    known = "" if found.is_new else "; nothing was downloaded"
    lines = [
        f"{name}: {found.counts['train']:,} training and {found.counts['test']:,} test images, "
        f"{kind}, {width}x{height} pixels, {size:,.0f} MB in memory{known}."
    ]
    if name in PUBLIC_SETS:
        licence = PUBLIC_SETS[name].licence
        lines.append(f"From {PUBLIC_SETS[name].page}{licence and f' ({licence})'}")
    option = f" --data-dir {shlex.quote(str(directory))}" if directory else ""
    lines.append(f"Train on it with: vaecli train --data {name}{option}")
    return "\n".join(lines)
