"""Finite means, or an error with advice."""

import math

from ..evaluation.means import RunningMeans
from ..system.errors import TrainingDiverged
from .epoch import Epoch as Epoch

HINT = "Try a lower --lr, or --on-nan rollback."


ROLLBACKS = 3  # times at most that training goes back and halves the learning rate


def _finite(means: RunningMeans, epoch: int, lr: float) -> dict[str, float]:
    """The means, or `TrainingDiverged` with the first batch and term that are not finite."""
    if int(means.finite) == means.batches:
        return means.read()
    values = dict(zip(means.names, means.last.tolist(), strict=True))
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    where = f"in batch {int(means.finite) + 1} of epoch {epoch} at learning rate {lr:g}"
    raise TrainingDiverged(f"Training diverged: {bad[-1]} became {values[bad[-1]]} {where}. {HINT}")
