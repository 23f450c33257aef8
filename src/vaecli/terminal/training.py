"""Trains a plan on the terminal; `vaecli train` and `vaecli refit` share it."""

import time
from contextlib import ExitStack, closing
from pathlib import Path

from ..data.load_log import OnProgress
from ..experiments.prepare import start_run
from ..experiments.resume import Plan
from ..experiments.stopping import StopRequest
from ..experiments.train import resume_advice, train_run
from ..system.group import advise
from .loading import load_progress
from .messages import next_commands, training_summary
from .output import print_finished_run
from .progress import Mode, Progress
from .result_objects import training_result


def train_plan(
    plan: Plan,
    run_dir: Path | None,
    overwrite: bool = False,
    allow_data_change: bool = False,
    mode: Mode = "auto",
    quiet: bool = False,
    as_json: bool = False,
) -> None:
    """Train, show the progress, and print the path of the run, or what is said of it as JSON.

    Args:
        plan: The new run, or the run to resume.
        run_dir: Directory of a new run; None for the next free one under runs/.
        overwrite: Whether a new run replaces the one in `run_dir`.
        allow_data_change: Whether the images may differ from those of the run so far.
        mode: How progress is shown.
        quiet: Print nothing but warnings.
        as_json: Print JSON.

    Raises:
        VaecliError: Training cannot start, or failed.
    """
    config = plan.config
    begin = time.monotonic()
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest(config))
        with load_progress(mode, quiet) as on_progress:
            started = stack.enter_context(
                start_run(
                    config,
                    plan.run,
                    run_dir,
                    overwrite,
                    allow_data_change,
                    plan.source,
                    unless_stopped(stop, on_progress),
                    plan.start,
                )
            )
        run = started.writer.run
        advise(resume_advice(run.folder))
        progress = stack.enter_context(Progress(mode, quiet, run.log, config.epochs))
        progress.show(started.notices)
        progress.say(training_summary(run, started.writer.record, started.state, started.images))
        events = train_run(started.writer, started.state, started.images, stop)
        progress.show(stack.enter_context(closing(events)))
        if started.writer.record.status == "completed":
            progress.say(next_commands(run, config))
    print_trained(run.folder, as_json, time.monotonic() - begin)


def print_trained(folder: Path, as_json: bool, seconds: float = 0.0) -> None:
    """Print the path of a run that is trained, or what is said of it as JSON.

    Args:
        folder: The run directory.
        as_json: Print JSON.
        seconds: What this command spent on training.

    Raises:
        RunError: The run cannot be read.
    """
    print_finished_run(folder, training_result(folder, seconds) if as_json else None)


def unless_stopped(
    stop: StopRequest, on_progress: OnProgress, advice: str = "Training had not begun."
) -> OnProgress:
    """The same function, which raises `Interrupted` after a signal: decoding may take hours."""

    def report(what: str, done: int, total: int) -> None:
        stop.raise_signal(advice)
        on_progress(what, done, total)

    return report
