"""Trains a plan on the terminal; `vaecli train` and `vaecli refit` share it."""

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


def train_plan(
    plan: Plan,
    run_dir: Path | None,
    overwrite: bool = False,
    allow_data_change: bool = False,
    mode: Mode = "auto",
    quiet: bool = False,
) -> None:
    """Train, show the progress, and print the path of the run.

    Args:
        plan: The new run, or the run to resume.
        run_dir: Directory of a new run; None for the next free one under runs/.
        overwrite: Whether a new run replaces the one in `run_dir`.
        allow_data_change: Whether the images may differ from those of the run so far.
        mode: How progress is shown.
        quiet: Print nothing but warnings.

    Raises:
        VaecliError: Training cannot start, or failed.
    """
    config = plan.config
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
    print_finished_run(run.folder)


def unless_stopped(
    stop: StopRequest, on_progress: OnProgress, advice: str = "Training had not begun."
) -> OnProgress:
    """The same function, which raises `Interrupted` after a signal: decoding may take hours."""

    def report(what: str, done: int, total: int) -> None:
        stop.raise_signal(advice)
        on_progress(what, done, total)

    return report
