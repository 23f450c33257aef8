"""`vaecli train --dry-run`: what a training would need, found out by its first batches."""

import time
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from .screen import clock

if TYPE_CHECKING:
    from ..data import Splits
    from ..run import Run
    from ..training import State

LIMIT = 3.0  # seconds of batches at most


def report(run: "Run", state: "State", images: "Splits", changed: bool) -> str:
    """What training would take, after its checks and some batches. Writes nothing.

    Args:
        run: Need not be there yet.
        state: Where training would begin.
        images: What it would train on.
        changed: They may be others than those that the run was begun on.
    """
    from .. import resources

    run.check(state, images, changed)
    disk, epochs = run.expected_size(state), state.config.epochs - len(state.history)
    epoch = _seconds_of_an_epoch(state, images)
    memory, plural = resources.peak_memory() or 0, "s" * (epochs != 1)
    return (
        f"{state.parameters:,} parameters on {state.model.device}.\n"
        f"About {clock(epoch * epochs)} for {epochs} epoch{plural} of {epoch:.1f} s, "
        f"pictures aside, {memory / 1e6:,.0f} MB of memory and {disk / 1e6:,.0f} MB of disk.\n"
        "Nothing was written."
    )


def _seconds_of_an_epoch(state: "State", images: "Splits") -> float:
    """By a whole epoch if that is short, else by the median batch and a part of the test images."""
    from ..evaluation import evaluate
    from ..training import Epoch, fit

    batches, total = [time.perf_counter()], 0
    for event in fit(state, *images):
        if isinstance(event, Epoch):
            return event.train_seconds + event.test_seconds
        event.read()  # waits for the device
        batches.append(time.perf_counter())
        total = event.batches
        if batches[-1] > batches[0] + LIMIT:
            break
    held_out = len(images.test) + len(images.validation or ())
    part = images.test.first(min(state.objective.evaluation_batch_size, len(images.test)))
    evaluate(state.model, state.objective, part, state.config.seed)
    tested = (time.perf_counter() - batches[-1]) / len(part) * held_out
    return median(b - a for a, b in pairwise(batches)) * total + tested
