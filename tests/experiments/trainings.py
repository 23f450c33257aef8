"""Whole training runs, without a command line."""

import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vaecli.config.config import Config
from vaecli.experiments import train
from vaecli.experiments.events import Notice
from vaecli.experiments.prepare import start_run
from vaecli.experiments.resume import make_plan
from vaecli.experiments.stopping import StopRequest
from vaecli.experiments.train import Event, train_run
from vaecli.training.epoch import Epoch
from vaecli.training.loop import Step
from vaecli.training.state import State


@dataclass
class Training:
    """What `train_run` yielded, and the state at its end or where it failed."""

    events: list[Event] = field(default_factory=list)
    state: State | None = None

    @property
    def epochs(self) -> list[int]:
        return [event.number for event in self.events if isinstance(event, Epoch)]

    @property
    def steps(self) -> list[tuple[int, int]]:
        return [(event.epoch, event.batch) for event in self.events if isinstance(event, Step)]

    @property
    def notices(self) -> list[tuple[str, str]]:
        return [(event.level, event.text) for event in self.events if isinstance(event, Notice)]


def options(digits: Path, **more: Any) -> dict[str, Any]:
    """The options of a tiny network on small images, three batches in an epoch."""
    tiny = {"network": "mlp:width=16,depth=1", "latent_dim": 3, "batch_size": 32}
    return {"data_dir": str(digits), **tiny, **more}


def run_training(
    chosen: Mapping[str, Any],
    run_dir: Path | None = None,
    resume: str | None = None,
    into: Training | None = None,
    stop: StopRequest | None = None,
    overwrite: bool = False,
) -> Training:
    """Train to the end; `into` keeps what was yielded before a failure."""
    training = into or Training()
    plan = make_plan(chosen, resume=resume, run_dir=run_dir)
    with start_run(plan.config, plan.run, run_dir, overwrite, source=plan.source) as started:
        training.state = started.state
        stop = stop or StopRequest(plan.config)
        training.events.extend(started.notices)
        for event in train_run(started.writer, started.state, started.images, stop):
            training.events.append(event)
    return training


def poison(monkeypatch, epoch: int, batch: int = 1, times: float = math.inf) -> list[int]:
    """Let the loss become NaN in a batch and those after it, in an epoch, some times."""
    poisoned: list[int] = []
    fit = train.fit

    def poisoned_fit(state, *images):
        def make_nan(objective, inputs, terms):
            is_there = len(state.history) + 1 == epoch and state.batch >= batch
            if not is_there or not state.model.training or len(poisoned) >= times:
                return terms
            poisoned.append(state.batch)
            loss = terms.loss * math.nan
            return replace(terms, loss=loss, metrics={**terms.metrics, "loss": loss.detach()})

        handle = state.objective.register_forward_hook(make_nan)
        yield from fit(state, *images)
        handle.remove()

    monkeypatch.setattr(train, "fit", poisoned_fit)
    return poisoned


class Stop(StopRequest):
    """A request to stop that comes with an event: a batch or an epoch."""

    def __init__(self, after: int, kind: signal.Signals | None = None) -> None:
        super().__init__(Config())
        self.left = after
        self.kind = kind

    def is_due(self) -> bool:
        self.left -= 1
        if self.left <= 0:
            self.signal = self.kind
        return self.left <= 0
