"""Losses of the trials of a study, as pictures show them. Imports no matplotlib."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

SPREAD = 3.0  # times the distance of the median from the best: losses beyond are at the edge


class Trial(Protocol):
    """What a picture needs to know of a trial; see `experiments.tune.rows.TrialRow`."""

    @property
    def number(self) -> int:
        """From 0."""

    @property
    def state(self) -> str:
        """running, completed, pruned or failed."""

    @property
    def value(self) -> float | None:
        """Lowest validation loss, in nats per image, if there is one."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Values of the options searched, by name."""


AnyTrial = TypeVar("AnyTrial", bound=Trial)


def loss_of(trial: Trial) -> float:
    """The loss of a trial; NaN if it failed or has none that is finite."""
    value = trial.value
    if value is None or not math.isfinite(value) or trial.state == "failed":
        return math.nan
    return value


def best_trial(trials: Iterable[AnyTrial]) -> AnyTrial | None:
    """The completed trial with the lowest loss, the first of equals; None if there is none."""
    done = [t for t in trials if t.state == "completed" and not math.isnan(loss_of(t))]
    return min(done, key=lambda trial: (loss_of(trial), trial.number), default=None)


def running_best(trials: Iterable[Trial]) -> tuple[list[int], list[float]]:
    """Number and lowest loss so far of each completed trial, in the order of their numbers.

    Trials that were pruned do not count: their losses are of fewer epochs.
    """
    numbers: list[int] = []
    lowest: list[float] = []
    for trial in sorted(trials, key=lambda trial: trial.number):
        loss = loss_of(trial)
        if trial.state == "completed" and not math.isnan(loss):
            numbers.append(trial.number)
            lowest.append(min([loss, *lowest[-1:]]))
    return numbers, lowest


def loss_range(trials: Sequence[Trial]) -> tuple[float, float] | None:
    """The losses that get a place of their own: from the best to the worst or to `SPREAD`.

    One trial that diverged would otherwise leave no room to tell the others apart.

    Returns:
        Bottom and top; None if no trial has a loss.
    """
    losses = [loss for trial in trials if not math.isnan(loss := loss_of(trial))]
    if not losses:
        return None
    best = min(losses)
    limit = best + SPREAD * (statistics.median(losses) - best)
    if limit == best:
        return best, max(losses)
    return best, min(limit, max(losses))
