"""Runs a worker of a study on the terminal."""

import shlex
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing

from rich.console import Console

from ..config.config import Config
from ..experiments.events import Notice
from ..experiments.stopping import StopRequest
from ..experiments.tune.result import BEST, METRIC_NAMES, draw, value_of
from ..experiments.tune.rows import TrialRow
from ..experiments.tune.search import values_of
from ..experiments.tune.start import Request, open_or_start
from ..experiments.tune.study import Study, file_options
from ..experiments.tune.worker import Event, TrialEnded, TrialStarted, Worker
from ..pictures.trial_losses import best_trial
from ..training.runtime import setup_runtime
from .failures import with_flags
from .loading import load_progress
from .messages import count, training_summary
from .progress import Mode, Progress
from .training import unless_stopped
from .trial_table import UNLIMITED, trial_table
from .tuning import StudyProgress


class TrialViews:
    """Shows the events of a worker, and writes the log of each of its runs.

    Args:
        progress: Shows the trials.
        rows: The trials that have begun.
        epochs: Epochs of a trial.
    """

    def __init__(self, progress: StudyProgress, rows: Sequence[TrialRow], epochs: int) -> None:
        self.progress = progress
        self.epochs = epochs
        self.rows = {row.number: row for row in rows}
        self.log: Progress | None = None
        self.told: set[str] = set()  # warnings about the images are the same for every trial

    def show(self, events: Iterable[Event]) -> None:
        """Show events as they come."""
        for event in events:
            if isinstance(event, TrialRow):
                self.rows[event.number] = event
            elif isinstance(event, TrialStarted):
                self._open_log(event)
            elif isinstance(event, TrialEnded):
                self.close()
            elif isinstance(event, Notice):
                self._tell(event)
            elif self.log is not None:
                self.log.show([event])
            self.progress.show([self.rows[number] for number in sorted(self.rows)])

    def _open_log(self, event: TrialStarted) -> None:
        started = event.started
        run = started.writer.run
        self.log = Progress("none", True, run.log, self.epochs)
        self.log.say(training_summary(run, started.writer.record, started.state, started.images))

    def _tell(self, notice: Notice) -> None:
        if self.log is not None:
            self.log.say(with_flags(notice.text))
        if notice.level == "warning" and notice.text not in self.told:
            self.told.add(notice.text)
            self.progress.say(notice)

    def close(self) -> None:
        """Close the log of the trial."""
        if self.log is not None:
            self.log.__exit__(None, None, None)
        self.log = None


def run_study(request: Request, mode: Mode = "auto", quiet: bool = False) -> Study:
    """Work on a study until its trials have ended, and show them; its picture is saved then.

    Args:
        request: What the user asks.
        mode: How progress is shown.
        quiet: Print nothing but warnings.

    Raises:
        VaecliError: The study cannot start or go on.
    """
    limit = file_options(request.config_file, request.options).get("max_time")
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest(Config(max_time=limit)))
        with load_progress(mode, quiet) as on_progress:
            heard = unless_stopped(stop, on_progress, "No trial had begun.")
            study, existed = open_or_start(request, heard)
        verb = ("Starting", "Going on with")[existed]
        setup_runtime(study.base.threads)
        worker = Worker(study, stop)
        record = study.record
        metric = METRIC_NAMES[record.metric]
        epochs = study.base.epochs
        progress = stack.enter_context(StudyProgress(mode, quiet, record.trials, epochs, metric))
        progress.say(Notice(_summary(study, verb)))
        views = TrialViews(progress, study.rows(), epochs)
        stack.callback(views.close)
        views.show(stack.enter_context(closing(worker.work())))
        if study.record.finished:
            for warning in draw(study):
                progress.say(Notice(warning, "warning"))
        else:
            progress.say(Notice(f"Stopped: --max-time is reached. {worker.advice()}"))
    return study


def _summary(study: Study, verb: str) -> str:
    """What is about to be searched, and where."""
    ranges = ", ".join(f"{name} in {text}" for name, text in study.record.search.items())
    metric = METRIC_NAMES[study.record.metric]
    return (
        f"{verb} the study {study.folder}: {study.record.trials} trials of "
        f"{study.base.epochs} epochs, compared by validation {metric}.\n"
        f"Searching {ranges}."
    )


def result_text(study: Study) -> str:
    """The table of all trials; at the end of a study also the best, and what to do with it."""
    rows = study.rows()
    metric = METRIC_NAMES[study.record.metric]
    console = Console(stderr=True)
    width = UNLIMITED
    if console.is_terminal:
        width = console.width
    lines = [trial_table(rows, metric, width)]
    best, test = best_trial(rows), study.record.test
    if best is None or best.value is None or test is None:
        return lines[0]
    tested = value_of(test.metrics, study.record.metric)
    lines += [
        "",
        f"Best is trial {best.number}: validation {metric} {best.value:.2f}{_gain(study, rows)}, "
        f"test {metric} {tested:.2f} ({count(test.images, 'image')}).",
        "Next, from this folder:",
        f"  vaecli train --config {shlex.quote(str(study.folder / BEST))}",
        f"  vaecli sample -r {shlex.quote(str(best.run))}",
    ]
    return "\n".join(lines)


def _gain(study: Study, rows: Sequence[TrialRow]) -> str:
    """How much lower the best is than the first trial, if that has the options as given."""
    first = rows[0]
    best = best_trial(rows)
    is_base = first.options == values_of(study.base, study.search)
    if not is_base or best is None or best.value is None or first.value is None:
        return ""
    return f" ({first.value - best.value:.2f} lower than with the options as given)"
