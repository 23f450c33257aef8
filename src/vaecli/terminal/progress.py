"""Progress of training, on stderr and in train.log."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import Progress as ImageBar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..experiments.events import FitStep, Notice
from ..objectives import METRIC_UNITS
from ..system import files
from ..system.errors import RunError, VaecliError
from ..system.text import escape_controls
from ..training.epoch import Epoch
from ..training.loop import Step
from .failures import error_text, with_flags
from .messages import format_duration
from .output import print_stderr

Mode = Literal["auto", "bar", "plain", "none"]

REFRESH = 0.5  # seconds between two reads of the running means, which wait for the device
COLUMNS = {"loss": 9, "distortion": 11, "rate": 7}  # of a split, with their widths


def choose_mode(mode: Mode) -> Mode:
    """The mode; `auto` is a bar on a terminal that can move its cursor, else plain lines."""
    if mode != "auto":
        return mode
    console = Console(stderr=True)
    # rich alone would draw into a file too where FORCE_COLOR is set.
    is_terminal = sys.stderr is not None and sys.stderr.isatty() and console.is_terminal
    if is_terminal and not console.is_dumb_terminal:
        return "bar"
    return "plain"


class Progress:
    """Shows the progress of training in one of the modes, and logs it.

    Args:
        mode: auto, bar, plain (a line for every epoch) or none.
        quiet: Print nothing but warnings.
        log: File that gets every line, even those that are not printed.
        epochs: Epochs of the whole run.

    Raises:
        RunError: The log cannot be written.
    """

    def __init__(self, mode: Mode, quiet: bool, log: Path, epochs: int) -> None:
        self.quiet = quiet
        self.epochs = epochs
        self.mode = "none" if quiet else choose_mode(mode)
        try:
            self.log = files.open_log(log)
        except OSError as error:
            raise RunError(f"Cannot write {log}: {error.strerror}.") from error
        self.bar = Bar(epochs) if self.mode == "bar" else None
        self.last_read = time.monotonic()
        self.has_header = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, VaecliError):
            self._write_log(escape_controls(error_text(error)))
        if self.bar:
            with suppress(OSError):  # the terminal is gone, and its cursor with it
                self.bar.live.stop()
        self.log.close()

    def show(self, events: Iterable[Step | Epoch | FitStep | Notice]) -> None:
        """Show events as they come."""
        for event in events:
            if isinstance(event, Step):
                self._show_step(event)
            elif isinstance(event, Epoch):
                self._show_epoch(event)
            elif isinstance(event, FitStep):
                self._show_fit(event)
            elif event.level == "warning":
                self._print(f"Warning: {with_flags(event.text)}", even_if_quiet=True)
            else:
                self.say(with_flags(event.text))

    def say(self, text: str) -> None:
        """Log a text, and print it unless quiet."""
        self._print(text)

    def _show_step(self, step: Step) -> None:
        """Draw the bar, at most twice a second."""
        if self.bar is None:
            return
        self.bar.count(step)
        now = time.monotonic()
        if now - self.last_read < REFRESH:
            return
        with suppress(OSError):
            self.bar.show(step, step.means.read())
        self.last_read = now

    def _show_fit(self, step: FitStep) -> None:
        if self.bar is not None:
            with suppress(OSError):
                self.bar.show_fit(step)

    def _show_epoch(self, epoch: Epoch) -> None:
        """A line for the epoch, under a header if it is the first one here."""
        has_validation = bool(epoch.valid)
        lines = []
        if not self.has_header:
            lines += _header(has_validation)
            self.has_header = True
        number = f"{epoch.number}/{self.epochs}"
        valid = f"{epoch.valid['loss']:9.2f}" if has_validation else ""
        lines.append(
            f"{number:>7}{_cells(epoch.train)}{valid}{_cells(epoch.test)}{epoch.train_seconds:9.1f}"
        )
        for line in lines:
            self._print(line, hidden=self.mode == "none")

    def _print(self, text: str, even_if_quiet: bool = False, hidden: bool = False) -> None:
        text = escape_controls(text)
        self._write_log(text)
        if hidden or (self.quiet and not even_if_quiet):
            return
        with suppress(OSError):  # training and its log go on if stderr is closed
            if self.bar:
                self.bar.live.console.print(text, markup=False, highlight=False, soft_wrap=True)
            else:
                print_stderr(text)

    def _write_log(self, text: str) -> None:
        with suppress(OSError):  # ignored: saving the checkpoint reports a full disk
            print(text, file=self.log, flush=True)


def _header(has_validation: bool) -> list[str]:
    names = "".join(f"{name:>{width}}" for name, width in COLUMNS.items())
    valid = f"{'valid':>9}" if has_validation else ""
    loss = f"{'loss':>9}" if has_validation else ""
    return [
        f"{'':7}{'train, nats per image':>27}{valid}{'test, nats per image':>27}",
        f"{'epoch':>7}{names}{loss}{names}{'seconds':>9}",
    ]


def _cells(means: dict[str, float]) -> str:
    cells = [
        f"{means[name]:{width}.2f}" if name in means else f"{'-':>{width}}"
        for name, width in COLUMNS.items()
    ]
    return "".join(cells)


class Bar:
    """Two lines at the foot of a terminal: progress of the run, and metrics of the epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        # Refreshed by hand: a thread would slow down the training of a small network.
        self.live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
        self.live.start()
        self.started = time.monotonic()
        self.last_shown = self.started
        self.first = math.inf  # epochs done before the first batch here: some, in a resumed run
        self.images = 0  # done in this epoch
        self.new_images = 0.0  # done since the last refresh

    def count(self, step: Step) -> None:
        """Count the images of a batch; it is called for every batch, shown or not."""
        self.first = min(self.first, step.epoch - 1 + (step.batch - 1) / step.batches)
        images = step.means.images
        if step.batch > 1 and self.images:
            self.new_images += images - self.images
        else:  # the first batch of an epoch, or, in a resumed run, the first one here
            self.new_images += images / step.batch
        self.images = images

    def show(self, step: Step, means: dict[str, float]) -> None:
        """Draw the two lines.

        Args:
            step: How far training is.
            means: Metrics of the epoch so far.
        """
        now = time.monotonic()
        images_per_second = self.new_images / (now - self.last_shown)
        self.new_images = 0
        self.last_shown = now

        epochs_done = step.epoch - 1 + step.batch / step.batches
        elapsed = now - self.started
        left = elapsed * (self.epochs - epochs_done) / (epochs_done - self.first)
        line = bar_line(
            f"epoch {step.epoch}/{self.epochs}",
            ProgressBar(total=self.epochs, completed=epochs_done),
            f"{format_duration(elapsed)} elapsed, {format_duration(left)} left",
        )
        speed = f"{images_per_second:,.0f} images/s"
        metrics = Text(
            f"batch {step.batch}/{step.batches}  {_describe(means)}  {speed}",
            no_wrap=True,
            overflow="ellipsis",
        )
        self.live.update(Group(line, metrics), refresh=True)

    def show_fit(self, step: FitStep) -> None:
        """Draw one line: how far the fit of the prior is."""
        line = bar_line(
            f"fitting the prior ({step.checkpoint}) {step.fraction:.0%}",
            ProgressBar(total=1.0, completed=step.fraction),
            f"{format_duration(time.monotonic() - self.started)} elapsed",
        )
        self.live.update(line, refresh=True)


def bar_line(name: str, bar: ProgressBar, times: str) -> Table:
    """A line of a name, a bar that takes the room that is left, and times."""
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    line.add_row(name, bar, times)
    return line


def _describe(means: dict[str, float]) -> str:
    """Metrics with their units: those in nats first, with the unit behind the last of them."""
    words: dict[str, list[str]] = {unit: [] for unit in ("nats", "fraction", "")}
    for name, value in means.items():
        words[METRIC_UNITS.get(name, "")].append(f"{name} {value:.2f}")
    words["nats"][-1] += " nats"
    return "  ".join(word for group in words.values() for word in group)


@contextmanager
def image_progress(
    name: str, images: int, hidden: bool = False
) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal; gives a function to call after each batch with its number of images."""
    hidden = hidden or choose_mode("auto") != "bar"
    bar = ImageBar(console=Console(stderr=True), transient=True, disable=hidden)
    with bar:
        task = bar.add_task(name, total=images)
        yield lambda batch_images: bar.advance(task, batch_images)


@contextmanager
def show_elapsed(name: str, hidden: bool = False) -> Iterator[None]:
    """The time that work takes whose progress is unknown.

    On a terminal it counts up while the work goes on, and disappears; elsewhere a line names the
    work at its begin, and another says the time at its end.

    Args:
        name: What is done.
        hidden: Show nothing.
    """
    if hidden:
        yield
    elif choose_mode("auto") == "bar":
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with ImageBar(*columns, console=Console(stderr=True), transient=True) as bar:
            bar.add_task(name, total=None)
            yield
    else:
        began = time.monotonic()
        print_stderr(f"{name} ...")
        yield
        print_stderr(f"{name}: {format_duration(time.monotonic() - began)}")
