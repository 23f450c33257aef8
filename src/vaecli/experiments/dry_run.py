"""Time, memory and disk that a training needs, estimated from its first batches."""

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from ..data.splits import Splits
from ..evaluation.bounds import evaluate
from ..run.create import planned_run
from ..run.writer import required_disk
from ..system import machine
from ..training.epoch import Epoch
from ..training.loop import fit
from ..training.state import State
from .events import Notice
from .prepare import prepare_run
from .resume import Plan

LIMIT = 3.0  # seconds of batches at most


@dataclass(frozen=True)
class DryRun:
    """What a training needs.

    Attributes:
        parameters: Number of trained parameters.
        device: Name of the device.
        epochs: Epochs still to train.
        epoch_seconds: Time of one, without pictures.
        memory: Bytes.
        disk: Bytes.
        notices: What was found on the way.
    """

    parameters: int
    device: str
    epochs: int
    epoch_seconds: float
    memory: int
    disk: int
    notices: list[Notice]


def estimate(
    plan: Plan, run_dir: Path | None, overwrite: bool, allow_data_change: bool = False
) -> DryRun:
    """Check everything that `train` checks, train some batches and write nothing.

    Args:
        plan: What to train.
        run_dir: Where a new run would go; None for the next free directory under runs/.
        overwrite: Whether it would replace the run in `run_dir`.
        allow_data_change: Whether the images may differ from those of the run so far.

    Raises:
        VaecliError: Training could not start.
    """
    run = plan.run or planned_run(run_dir, overwrite)
    record = plan.run.record if plan.run else None
    prepared, _ = prepare_run(plan.config, run, record, allow_data_change)
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
        notices=prepared.notices,
    )


def _measure_epoch(state: State, images: Splits) -> float:
    """Seconds of an epoch: a whole one if it is short, else extrapolated.

    The median batch stands for all batches, a part of the test images for all held-out images.
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
