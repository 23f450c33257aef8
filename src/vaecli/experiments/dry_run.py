"""Time, memory and disk that training needs, estimated from its first batches."""

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from ..data.load_log import OnProgress, no_progress
from ..data.splits import Splits
from ..evaluation.bounds import evaluate
from ..run.create import planned_run
from ..run.lock import require_free
from ..run.writer import required_disk
from ..system import machine
from ..system.errors import ConfigError
from ..system.processes import count
from ..training.epoch import Epoch
from ..training.loop import fit
from ..training.state import State
from .events import Notice
from .prepare import prepare_run, record_of
from .resume import Plan
from .second_stage import fits_prior

LIMIT = 3.0  # seconds after which no further batch is timed


@dataclass(frozen=True)
class DryRun:
    """Size, time, memory and disk of a training run.

    Attributes:
        parameters: Number of trained parameters.
        device: Name of the device.
        epochs: Number of epochs still to train.
        epoch_seconds: Time of one epoch without pictures, in seconds.
        memory: Peak memory of this process, in bytes; 0 if unknown.
        disk: Most disk space that the run can add, in bytes.
        fits_prior: Whether a prior is fitted after training, which takes further time.
        caches: Folders of decoded images, which were written if they were not there.
        notices: Messages about the preparation.
    """

    parameters: int
    device: str
    epochs: int
    epoch_seconds: float
    memory: int
    disk: int
    fits_prior: bool
    caches: list[str]
    notices: list[Notice]


def estimate(
    plan: Plan,
    run_dir: Path | None,
    overwrite: bool,
    allow_data_change: bool = False,
    on_progress: OnProgress = no_progress,
) -> DryRun:
    """Do all checks of `train` and train on some batches; only the cache of images is written.

    Args:
        plan: The new run, or the run to resume.
        run_dir: Directory of a new run; None for the next free one under runs/.
        overwrite: Whether it would replace the run in `run_dir`.
        allow_data_change: Whether the images may differ from those of the run so far.
        on_progress: Hears how far the images are loaded.

    Raises:
        VaecliError: A check failed.
    """
    if count() > 1:
        raise ConfigError("--dry-run measures one process: start no others.")
    run = plan.run or planned_run(run_dir, overwrite)
    require_free(run.folder)
    source = plan.run or plan.source
    prepared, _ = prepare_run(
        plan.config, run, source, record_of(source), allow_data_change, on_progress, plan.start
    )
    state = prepared.state
    disk = required_disk(state)
    epochs = state.config.epochs - len(state.history)
    epoch_seconds = _measure_epoch(state, prepared.images)
    return DryRun(
        parameters=state.parameters,
        device=str(state.model.device),
        epochs=epochs,
        epoch_seconds=epoch_seconds,
        memory=machine.peak_memory() or 0,
        disk=disk,
        fits_prior=fits_prior(state.config),
        caches=prepared.caches,
        notices=prepared.notices,
    )


def _measure_epoch(state: State, images: Splits) -> float:
    """Time of an epoch in seconds: measured if it is short, else extrapolated.

    The time of all batches is extrapolated from the median batch, that of the evaluation from some
    test images.
    """
    times = [time.perf_counter()]
    batches = 0
    for event in fit(state, *images):
        if isinstance(event, Epoch):
            return event.train_seconds + event.test_seconds
        event.read()  # waits for the device
        times.append(time.perf_counter())
        batches = event.batches
        if times[-1] > times[0] + LIMIT:
            break
    if not batches:
        return 0.0  # all epochs are done
    held_out = len(images.test) + len(images.validation or ())
    part = images.test.first(min(state.objective.evaluation_batch_size, len(images.test)))
    evaluate(state.model, state.objective, part, state.config.seed)
    evaluation = (time.perf_counter() - times[-1]) / len(part) * held_out
    batch = median(after - before for before, after in pairwise(times))
    return batch * batches + evaluation
