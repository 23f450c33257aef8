"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..config.config import Config
from ..data.images import Images
from ..evaluation.bounds import evaluate
from ..evaluation.means import RunningMeans
from ..objectives import Terms
from ..system.errors import TrainingDiverged
from ..system.seeds import seed_device, stream_generator
from .divergence import HINT, _finite
from .early_stopping import why_over
from .epoch import Epoch as Epoch
from .state import State


@dataclass(frozen=True)
class Step:
    """After a batch: where training is.

    Attributes:
        epoch: Number of the epoch, from 1.
        batch: Number of the batch in it, from 1.
        batches: Batches in an epoch.
        lr: Learning rate of the step.
        means: Running means of this epoch.
    """

    epoch: int
    batch: int
    batches: int
    lr: float
    means: RunningMeans

    def read(self) -> dict[str, float]:
        """Means of this epoch so far, in nats per image. Waits for the device.

        Raises:
            TrainingDiverged: One of them is not finite.
        """
        return _finite(self.means, self.epoch, self.lr)


def fit(
    state: State, train: Images, test: Images, validation: Images | None = None
) -> Iterator[Step | Epoch]:
    """Train until the configuration is fulfilled; yield after every batch and every epoch.

    Begins where the state is, be it in the middle of an epoch. Where an objective reads labels and
    most are hidden, labelled images join every batch: by chance, few would be in any.

    Raises:
        TrainingDiverged: A mean is not finite at the end of an epoch.
    """
    config, model, device = state.config, state.model, state.model.device
    train, test = train.to(device), test.to(device)
    validation = validation and validation.to(device)
    labelled = model.context > 0 or state.objective.reads_labels
    rehearsed = train.labelled_indices if state.objective.reads_labels else train.labels[:0]
    lowered = partial(torch.autocast, device.type, torch.bfloat16)
    precision = lowered if config.precision == "bf16" else nullcontext
    score: Callable[..., Terms] = state.objective  # torch learns from one batch how to compile
    while not why_over(config, state.history):
        number = len(state.history) + 1
        began = time.perf_counter() - state.seconds
        order = torch.randperm(len(train), generator=stream_generator(config.seed, "order", number))
        batches = order.to(device).split(config.batch_size)
        model.train()
        while state.batch < len(batches):
            index = batches[state.batch]
            state.batch += 1
            state.set_rate(len(batches))
            if 0 < len(rehearsed) < len(train):
                index = torch.cat([index, _draw_labelled(rehearsed, config, number, state.batch)])
            seed_device(device, config.seed, "noise", number, state.batch)
            x, c = train.pixels(index), train.one_hot_labels(index) if labelled else None
            with precision():
                terms = score(model, x, c, number - 1 + state.batch / len(batches))
            score = state.compiled
            terms.loss.backward()
            state.optimizer.step()
            state.means.add(terms, len(x))
            state.seconds = time.perf_counter() - began
            yield Step(number, state.batch, len(batches), state.optimizer.lr, state.means)
        trained = _finite(state.means, number, state.optimizer.lr)
        between = time.perf_counter()
        tested = _evaluate(state, test)
        valid = _evaluate(state, validation) if validation else {}
        seconds = between - began, time.perf_counter() - between
        state.history.append(Epoch(number, trained, tested, *seconds, valid))
        state.batch, state.means, state.seconds = 0, RunningMeans(), 0.0
        yield state.history[-1]


def _draw_labelled(labelled: Tensor, config: Config, epoch: int, batch: int) -> Tensor:
    """Which labelled images join a batch: all, or at random as many as a batch holds."""
    order = torch.randperm(
        len(labelled), generator=stream_generator(config.seed, "labelled", epoch, batch)
    )
    return labelled[order[: config.batch_size].to(labelled.device)]


def _evaluate(state: State, images: Images) -> dict[str, float]:
    means = evaluate(state.model, state.objective, images, state.config.seed)
    if not all(map(math.isfinite, means.values())):
        where = f"on held-out images after epoch {len(state.history) + 1}"
        raise TrainingDiverged(
            f"Training diverged: {means} {where} at learning rate {state.optimizer.lr:g}. {HINT}"
        )
    return means
