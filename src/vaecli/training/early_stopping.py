"""Which epoch is best, and whether training is over."""

from collections.abc import Sequence

from ..config import build
from ..config.config import Config
from .epoch import Epoch


def find_best(config: Config, history: Sequence[Epoch]) -> Epoch | None:
    """The first epoch with the lowest validation loss, if there are validation images.

    The loss of a game says nothing: where there is a critic, the distortion is the judge.
    """
    judge = build.monitor_of(config)
    return min((e for e in history if e.valid), key=lambda e: e.valid[judge], default=None)


def why_over(config: Config, history: Sequence[Epoch]) -> str | None:
    """Why nothing is left to train after these epochs; None if something is."""
    best, done = find_best(config, history), len(history)
    if done >= config.epochs:
        return f"all {done} epochs are done" if done > 1 else "its one epoch is done"
    if best and config.patience and done - best.number >= config.patience:
        return (
            f"the validation loss was lowest after epoch {best.number} "
            f"and has been no lower up to epoch {done}"
        )
    return None
