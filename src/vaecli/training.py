"""The training loop: a generator of steps and epochs that neither prints nor saves."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import torch

from . import build
from .config import Config
from .data import Images
from .errors import TrainingDiverged
from .evaluation import Means, evaluate
from .model import VAE
from .objectives import Objective
from .optimizers import Optimizer
from .seeds import generator, reseed


@final
@dataclass(frozen=True)
class Step:
    """After a batch: where training is.

    Attributes:
        epoch: Number of the epoch, from 1.
        batch: Number of the batch in it, from 1.
        batches: Batches in an epoch.
        means: Running means of this epoch.
    """

    epoch: int
    batch: int
    batches: int
    means: Means

    def read(self) -> dict[str, float]:
        """Means of this epoch so far, in nats per image. Waits for the device.

        Raises:
            TrainingDiverged: One of them is not finite.
        """
        return _finite(self.means.read(), f"by batch {self.batch} of epoch {self.epoch}")


@final
@dataclass(frozen=True)
class Epoch:
    """After a pass over the training images.

    Attributes:
        number: From 1.
        train: Means over the pass, while the weights moved, in nats per image.
        test: Means over the test images after it, in nats per image.
        train_seconds: Wall time from the first batch to the last step.
        test_seconds: Wall time of the evaluation.
    """

    number: int
    train: dict[str, float]
    test: dict[str, float]
    train_seconds: float
    test_seconds: float


@final
@dataclass
class State:
    """All that training changes, and the configuration that it follows."""

    config: Config
    model: VAE
    objective: Objective
    optimizer: Optimizer
    history: list[Epoch] = field(default_factory=list)


def start(config: Config, shape: tuple[int, int, int]) -> State:
    """A new model for images of `shape` (C, H, W), on its device, before the first batch."""
    device = build.device(config.device)
    model, objective = build.build(config, shape)
    model, objective = model.to(device), objective.to(device)
    return State(config, model, objective, build.optimizer(config, model, objective))


def fit(state: State, train: Images, test: Images) -> Iterator[Step | Epoch]:
    """Train to the last epoch of the configuration; yield after every batch and every epoch.

    Raises:
        TrainingDiverged: A mean is not finite at the end of an epoch.
    """
    config, model, device = state.config, state.model, state.model.device
    train, test = train.to(device), test.to(device)
    for number in range(len(state.history) + 1, config.epochs + 1):
        began, means = time.perf_counter(), Means()
        order = torch.randperm(len(train), generator=generator(config.seed, "order", number))
        batches = order.to(device).split(config.batch_size)
        model.train()
        for batch, index in enumerate(batches, start=1):
            reseed(device, config.seed, "noise", number, batch)
            x = train.pixels(index)
            terms = state.objective(model, x)
            terms.loss.backward()
            state.optimizer.step()
            means.add(terms, len(x))
            yield Step(number, batch, len(batches), means)
        trained = _finite(means.read(), f"in epoch {number}")
        between = time.perf_counter()
        tested = _finite(evaluate(model, state.objective, test, config.seed), "on the test images")
        ended = time.perf_counter()
        state.history.append(Epoch(number, trained, tested, between - began, ended - between))
        yield state.history[-1]


def _finite(means: dict[str, float], where: str) -> dict[str, float]:
    for name, value in means.items():
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"Training diverged: the {name} became {value} {where}. Try a lower --lr."
            )
    return means
