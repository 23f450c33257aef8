"""Runs a worker of a study on the terminal."""

from collections.abc import Iterable
from contextlib import ExitStack, closing

from ..config.config import Config
from ..experiments.events import Notice
from ..experiments.stopping import StopRequest
from ..experiments.tune.result import METRIC_NAMES, draw
from ..experiments.tune.rows import TrialRow
from ..experiments.tune.start import Request, open_or_start
from ..experiments.tune.study import Study, file_options
from ..experiments.tune.worker import Event, TrialEnded, TrialStarted, Worker
from .failures import with_flags
from .loading import load_progress
from .messages import training_summary
from .progress import Mode, Progress
from .training import unless_stopped
from .tuning import StudyProgress


class TrialViews:
    """Shows the events of a worker, and writes the log of each of its runs.

    Args:
        progress: Shows the trials.
        epochs: Epochs of a trial.
    """

    def __init__(self, progress: StudyProgress, epochs: int) -> None:
        self.progress = progress
        self.epochs = epochs
        self.rows: dict[int, TrialRow] = {}
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
        worker = Worker(study, stop)
        record = study.record
        metric = METRIC_NAMES[record.metric]
        epochs = study.base.epochs
        progress = stack.enter_context(StudyProgress(mode, quiet, record.trials, epochs, metric))
        progress.say(Notice(_summary(study, existed)))
        views = TrialViews(progress, epochs)
        stack.callback(views.close)
        views.show(stack.enter_context(closing(worker.work())))
        if study.record.finished:
            for warning in draw(study):
                progress.say(Notice(warning, "warning"))
        else:
            progress.say(Notice(f"Stopped: --max-time is reached. {worker.advice()}"))
    return study


def _summary(study: Study, existed: bool) -> str:
    """What is about to be searched, and where."""
    ranges = " ".join(f"{name}={text}" for name, text in study.record.search.items())
    verb = "Going on with" if existed else "Starting"
    metric = METRIC_NAMES[study.record.metric]
    return (
        f"{verb} the study {study.folder}: {study.record.trials} trials of "
        f"{study.base.epochs} epochs, compared by validation {metric}.\n"
        f"Searching {ranges}."
    )
