"""Checks that training metrics are finite, with advice if they are not."""

import math

from ..evaluation.means import RunningMeans
from ..system.errors import TrainingDiverged

DIVERGENCE_ADVICE = "Try a lower learning rate, or on_nan='rollback'."
MAX_ROLLBACKS = 3


def require_finite_means(means: RunningMeans, epoch: int, learning_rate: float) -> dict[str, float]:
    """The means by name.

    Raises:
        TrainingDiverged: A metric was NaN or infinite. The message names the first such batch and
            the last such metric in it.
    """
    if int(means.finite) == means.batches:
        return means.read()
    values = dict(zip(means.names, means.last.tolist(), strict=True))
    not_finite = [name for name, value in values.items() if not math.isfinite(value)]
    name = not_finite[-1]
    raise TrainingDiverged(
        f"Training diverged: {name} became {values[name]} in batch {int(means.finite) + 1} of "
        f"epoch {epoch} at learning rate {learning_rate:g}. {DIVERGENCE_ADVICE}"
    )


def require_finite_evaluation(
    metrics: dict[str, float], epoch: int, learning_rate: float
) -> dict[str, float]:
    """The metrics of held-out images, unchanged.

    Raises:
        TrainingDiverged: One of them is NaN or infinite.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"Training diverged: {name} of held-out images is {value} after epoch {epoch} "
                f"at learning rate {learning_rate:g}. {DIVERGENCE_ADVICE}"
            )
    return metrics
