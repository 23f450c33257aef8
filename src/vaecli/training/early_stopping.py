"""The best epoch, and the reason to stop training.

Only validation metrics decide, never the test set.
"""

from collections.abc import Sequence

from ..config.config import Config
from .epoch import Epoch


def best_epoch(history: Sequence[Epoch], monitor: str) -> Epoch | None:
    """The first epoch with the lowest validation metric; None without a validation set.

    Args:
        history: The finished epochs.
        monitor: Metric to compare, `Objective.monitor`: the loss; or, if the objective has a
            discriminator, the distortion, since an adversarial loss does not measure quality.
    """
    validated = [epoch for epoch in history if epoch.valid]
    return min(validated, key=lambda epoch: epoch.valid[monitor], default=None)


def stop_reason(config: Config, history: Sequence[Epoch], monitor: str) -> str | None:
    """Why training ends after these epochs; None if it continues.

    Args:
        config: Has the number of epochs and the patience.
        history: The finished epochs.
        monitor: Metric to compare, `Objective.monitor`.
    """
    done = len(history)
    if done >= config.epochs:
        return "its one epoch is done" if done == 1 else f"all {done} epochs are done"
    best = best_epoch(history, monitor)
    if best and config.patience and done - best.number >= config.patience:
        return (
            f"the validation {monitor} was lowest after epoch {best.number} "
            f"and not lower up to epoch {done}"
        )
    return None
