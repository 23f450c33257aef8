"""Rows of a study's table, one per trial; imports neither torch nor optuna."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["running", "completed", "pruned", "failed"]


@dataclass(frozen=True)
class TrialRow:
    """One trial of a study.

    Args:
        number: Number of the trial, from 0; its run is `trial-<number>`.
        state: `running` also where the trial waits for a worker to resume it.
        value: Lowest validation loss so far, nats per image; None before the first epoch and
            where no epoch had a finite loss.
        epochs: Epochs trained.
        seconds: Seconds of training.
        options: Values of the options searched, by name: `{"lr": 0.001, "network.width": 400}`.
            Every row has the same names in the same order; numbers, or strings for names.
        run: Run directory; it does not exist before the trial started.
        reason: Why the trial was pruned or failed, else None.
    """

    number: int
    state: State
    value: float | None
    epochs: int
    seconds: float
    options: dict[str, Any]
    run: Path
    reason: str | None = None
