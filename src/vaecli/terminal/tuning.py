"""The progress of a study on stderr: a table on a terminal, elsewhere a line for each trial."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from rich.console import (
    Console,
    ConsoleOptions,
    Group,
    OverflowMethod,
    RenderableType,
    RenderResult,
)
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..experiments.events import Notice
from ..experiments.tune.rows import TrialRow
from ..pictures.trial_losses import best_trial
from ..system.text import escape_controls
from .failures import with_flags
from .messages import format_duration
from .output import print_stderr
from .progress import REFRESH, Mode, bar_line, choose_mode
from .trial_table import format_loss, option_texts, trial_line

ENDED = ("completed", "pruned", "failed")
STYLES = {"completed": "green", "running": "bold", "pruned": "dim", "failed": "red"}
MOST_ROWS = 10
OTHER_LINES = 6  # of the view, beside the trials
NARROW = 60  # columns: with fewer, the rows have no options, and no time elapsed


class StudyProgress:
    """Shows the trials of a study as they go on.

    Args:
        mode: auto, bar (a table), plain (a line for every trial that ended) or none.
        quiet: Print nothing but warnings.
        trials: Trials of the study in all.
        epochs: Epochs of a trial that is not pruned.
        metric: What the trials are compared by: loss, distortion or negative ELBO.
    """

    def __init__(
        self, mode: Mode, quiet: bool, trials: int, epochs: int, metric: str = "loss"
    ) -> None:
        self.mode = "none" if quiet else choose_mode(mode)
        self.quiet = quiet
        self.trials = trials
        self.epochs = epochs
        self.metric = metric
        self.started = time.monotonic()
        self.last_shown = 0.0
        self.first_done: float | None = None  # trials that were done when this began
        self.ended: set[int] = set()
        self.live: Live | None = None
        if self.mode == "bar":
            # Refreshed by hand: a thread would slow down the training of a small network.
            console = Console(stderr=True)
            self.live = Live(console=console, auto_refresh=False, transient=True)
            self.live.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.live is not None:
            with suppress(OSError):  # the terminal is gone, and its cursor with it
                self.live.stop()

    def show(self, rows: Sequence[TrialRow]) -> None:
        """Show the trials as they are now, at most twice a second while none ends.

        Trials that had ended before the first call are counted, and get no lines.
        """
        ended = {row.number: row for row in rows if row.state in ENDED}
        new = [ended[number] for number in sorted(ended.keys() - self.ended)]
        self.ended = set(ended)
        if self.first_done is None:
            self.first_done = done_trials(rows, self.epochs)
        elif self.mode == "plain":
            for done, row in enumerate(new, len(ended) - len(new) + 1):
                self._print(f"{done}/{self.trials}: {trial_line(row, rows, self.metric)}")
        if self.live is None or (not new and time.monotonic() - self.last_shown < REFRESH):
            return
        self.last_shown = time.monotonic()
        elapsed = self.last_shown - self.started
        view = StudyView(rows, self.trials, self.epochs, elapsed, self.first_done, self.metric)
        with suppress(OSError):
            self.live.update(view, refresh=True)

    def say(self, notice: Notice) -> None:
        """Print a message; a warning even if quiet."""
        text = with_flags(notice.text)
        if notice.level == "warning":
            self._print(f"Warning: {text}")
        elif not self.quiet:
            self._print(text)

    def _print(self, text: str) -> None:
        if self.live is None:
            print_stderr(text)
            return
        text = escape_controls(text)
        with suppress(OSError):
            self.live.console.print(text, markup=False, highlight=False, soft_wrap=True)


def done_trials(rows: Sequence[TrialRow], epochs: int) -> float:
    """Trials that have ended, and the finished parts of those that run."""
    return sum(1.0 if row.state in ENDED else min(1.0, row.epochs / epochs) for row in rows)


@dataclass(frozen=True)
class StudyView:
    """The table while a study runs, as wide and as high as the terminal is when it is drawn.

    Args:
        rows: All trials.
        trials: Trials of the study in all.
        epochs: Epochs of a trial that is not pruned.
        elapsed: Seconds since this process began.
        first_done: Trials that were done then.
        metric: What the trials are compared by.
    """

    rows: Sequence[TrialRow]
    trials: int
    epochs: int
    elapsed: float
    first_done: float = 0.0
    metric: str = "loss"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        is_narrow = options.max_width < NARROW
        most = max(3, min(MOST_ROWS, options.size.height - OTHER_LINES))
        texts = [(self._counts(), ""), (self._best(), "")]
        texts += self._table(self._shown(most), is_narrow)
        lines: list[RenderableType] = [self._bar(is_narrow)]
        for text, style in texts:
            if options.ascii_only:
                text = text.replace("…", "...")
            crop: OverflowMethod = "crop" if options.ascii_only else "ellipsis"
            lines.append(Text(text, style, no_wrap=True, overflow=crop))
        yield Group(*lines)

    def _bar(self, is_narrow: bool) -> Table:
        done = done_trials(self.rows, self.epochs)
        ended = sum(row.state in ENDED for row in self.rows)
        times = []
        if not is_narrow:
            times.append(f"{format_duration(self.elapsed)} elapsed")
        if done > self.first_done:
            left = self.elapsed * max(0.0, self.trials - done) / (done - self.first_done)
            times.append(f"{format_duration(left)} left")
        bar = ProgressBar(total=self.trials, completed=done)
        return bar_line(f"{ended}/{self.trials} trials", bar, ", ".join(times))

    def _counts(self) -> str:
        counts = Counter[str](row.state for row in self.rows)
        return ", ".join(f"{counts[state]} {state}" for state in STYLES if counts[state])

    def _best(self) -> str:
        best = best_trial(self.rows)
        if best is None:
            return f"no validation {self.metric} yet"
        options = " ".join(option_texts(best.options))
        return escape_controls(f"best {format_loss(best.value)} of trial {best.number}: {options}")

    def _shown(self, most: int) -> list[TrialRow]:
        """Trials that run, and the last of the others, in the order of their numbers."""
        newest = sorted(self.rows, key=lambda row: (row.state == "running", row.number))[-most:]
        return sorted(newest, key=lambda row: row.number)

    def _table(self, rows: Sequence[TrialRow], is_narrow: bool) -> Iterator[tuple[str, str]]:
        """Lines with their styles: a header, and a line for each of these trials."""
        width = max(8, len(self.metric))
        head = f"trial  {self.metric:>{width}}  {'epoch':>7}  {'state':9}"
        if not is_narrow:
            head += "  options"
        yield head, ""
        for row in rows:
            epoch = f"{row.epochs}/{self.epochs}"
            line = f"{row.number:5}  {format_loss(row.value):>{width}}  {epoch:>7}  {row.state:9}"
            if not is_narrow:
                line += f"  {escape_controls(' '.join(option_texts(row.options)))}"
            yield line, STYLES[row.state]
