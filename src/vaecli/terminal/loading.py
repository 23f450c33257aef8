"""A bar of the images that are being loaded."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..data.load_log import OnProgress
from .progress import Mode, choose_mode


@contextmanager
def load_progress(mode: Mode = "auto", quiet: bool = False) -> Iterator[OnProgress]:
    """Gives a function that shows how far images are loaded, with the time left, on a terminal.

    Args:
        mode: How progress is shown.
        quiet: Show nothing.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    hidden = quiet or choose_mode(mode) != "bar"
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None, visible=False)
        yield lambda what, done, total: bar.update(
            task, description=what, completed=done, total=total, visible=True
        )
