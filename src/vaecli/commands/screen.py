"""What `vaecli train` shows on stderr, and keeps in train.log."""

import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from ..system.errors import VaecliError
from .options import Mode, say

if TYPE_CHECKING:
    from ..training.epoch import Epoch
    from ..training.loop import Step

REFRESH = 0.5  # seconds between two looks at the running means, each of which waits for the device
COLUMNS = (("loss", 9), ("distortion", 11), ("rate", 7))  # of a split, with their widths


def resolve(mode: Mode) -> Mode:
    """`auto` is a bar on a terminal that can move its cursor, else plain lines."""
    if mode != "auto":
        return mode
    from rich.console import Console

    # Rich alone would draw into a file too where FORCE_COLOR is set.
    console, there = Console(stderr=True), sys.stderr is not None and sys.stderr.isatty()
    return "bar" if there and console.is_terminal and not console.is_dumb_terminal else "plain"


class Screen:
    """The progress of a run, in one of the modes, and its log.

    Args:
        mode: bar, plain (a line for every epoch) or none.
        quiet: Print nothing but warnings.
        log: File that takes every line, whatever is printed.
        epochs: Epochs of the whole run.
    """

    def __init__(self, mode: Mode, quiet: bool, log: Path, epochs: int) -> None:
        self.quiet, self.epochs = quiet, epochs
        self.mode = "none" if quiet else resolve(mode)
        self.log: IO[str] = log.open("a", encoding="utf-8", errors="backslashreplace")
        self.bar = Bar(epochs) if self.mode == "bar" else None
        self.looked = time.monotonic()
        self.headed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, VaecliError):
            self._keep(str(error))
        if self.bar:
            with suppress(OSError):  # the terminal is gone, and its cursor with it
                self.bar.live.stop()
        self.log.close()

    def say(self, line: str) -> None:
        """Log the line, and print it unless quiet."""
        self._keep(line)
        if not self.quiet:
            self._print(line)

    def warn(self, line: str) -> None:
        """Log the line and print it."""
        self._keep(f"Warning: {line}")
        self._print(f"Warning: {line}")

    def step(self, step: "Step") -> None:
        """Look at the running means, at most twice a second."""
        now = time.monotonic()
        if now - self.looked < REFRESH:
            return
        means = step.read()
        if self.bar:
            with suppress(OSError):
                self.bar.show(step, means)
        self.looked = now

    def epoch(self, epoch: "Epoch") -> None:
        """A line for the epoch, under a header if it is the first here."""
        splits = {"train": epoch.train, "test": epoch.test}
        cells = [
            f"{split[name]:{width}.2f}" if name in split else f"{'-':>{width}}"
            for split in splits.values()
            for name, width in COLUMNS
        ]
        cells.insert(3, f"{epoch.valid['loss']:9.2f}" if epoch.valid else "")
        counted = f"{epoch.number}/{self.epochs}"
        line = f"{counted:>7}{''.join(cells)}{epoch.train_seconds:9.1f}"
        lines = [line] if self.headed else [*_header(bool(epoch.valid)), line]
        self.headed = True
        for text in lines:
            self._keep(text)
            if self.mode != "none":
                self._print(text)

    def _keep(self, line: str) -> None:
        with suppress(OSError):  # a full disk is met by the checkpoint, not by the log
            print(line, file=self.log, flush=True)

    def _print(self, line: str) -> None:
        with suppress(OSError):  # a stderr that is gone stops no training: the log goes on
            if self.bar:
                self.bar.live.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                say(line)


def _header(validated: bool) -> list[str]:
    names = "".join(f"{name:>{width}}" for name, width in COLUMNS)
    valid, loss = (f"{'valid':>9}", f"{'loss':>9}") if validated else ("", "")
    titles = f"{'':7}{'train, nats per image':>27}{valid}{'test, nats per image':>27}"
    return [titles, f"{'epoch':>7}{names}{loss}{names}{'seconds':>9}"]


class Bar:
    """Two lines at the foot of a terminal: how far the run is, and what the epoch reads."""

    def __init__(self, epochs: int) -> None:
        from rich.console import Console
        from rich.live import Live

        self.epochs = epochs
        # Refreshed by hand: a thread of its own would take time from a small network's training.
        self.live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
        self.live.start()
        self.began = self.at = time.monotonic()
        self.seen = 0  # images of the epoch at the last look

    def show(self, step: "Step", means: dict[str, float]) -> None:
        """Draw the two lines."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now, seen = time.monotonic(), step.means.images
        speed = (seen - self.seen if seen > self.seen else seen) / (now - self.at)
        self.seen, self.at = seen, now
        done, elapsed = step.epoch - 1 + step.batch / step.batches, now - self.began
        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        line.add_row(
            f"epoch {step.epoch}/{self.epochs}",
            ProgressBar(total=self.epochs, completed=done),
            f"{clock(elapsed)} elapsed, {clock(elapsed * (self.epochs / done - 1))} left",
        )
        values = "  ".join(f"{name} {value:.2f}" for name, value in means.items())
        text = f"batch {step.batch}/{step.batches}  {values} nats  {speed:,.0f} images/s"
        shown = Group(line, Text(text, no_wrap=True, overflow="ellipsis"))
        self.live.update(shown, refresh=True)


def clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
