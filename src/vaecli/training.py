"""The training loop: a generator of steps and epochs that neither prints nor saves."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from . import build
from .config import Config
from .data import Images
from .epoch import Epoch as Epoch
from .errors import TrainingDiverged
from .evaluation import Means, evaluate
from .model import VAE
from .objectives import LossTerms, Objective
from .optimizers import Optimizer, factor
from .seeds import generator, reseed

HINT = "Try a lower --lr, or --on-nan rollback."
ROLLBACKS = 3  # times at most that training goes back and halves the learning rate


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
    means: Means

    def read(self) -> dict[str, float]:
        """Means of this epoch so far, in nats per image. Waits for the device.

        Raises:
            TrainingDiverged: One of them is not finite.
        """
        return _finite(self.means, self.epoch, self.lr)


@dataclass
class State:
    """All that training changes, and the configuration that it follows.

    Random numbers need no state: their streams are named by seed, epoch and batch.

    Attributes:
        shape: Of the images, (C, H, W).
        classes: Of their labels.
        history: The epochs that are done.
        batch: Batches done of the epoch in progress.
        means: Running means of the epoch in progress.
        seconds: Training time of the epoch in progress.
        rollbacks: How often training went back after it diverged.
    """

    config: Config
    shape: tuple[int, int, int]
    classes: int
    model: VAE
    objective: Objective
    optimizer: Optimizer
    history: list[Epoch] = field(default_factory=list)
    batch: int = 0
    means: Means = field(default_factory=Means)
    seconds: float = 0.0
    rollbacks: int = 0

    @property
    def parameters(self) -> int:
        """How many numbers the optimizer trains."""
        return sum(p.numel() for p in self.optimizer.parameters)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that training changes, by name; not copied."""
        parts = {
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state(),
            "means": {"sums": self.means.sums, "finite": self.means.finite},
        }
        return {f"{part}.{name}": t for part, named in parts.items() for name, t in named.items()}

    def position(self) -> dict[str, Any]:
        """Where in its epoch training is, as JSON can hold it."""
        means = {"names": self.means.names, "images": self.means.images}
        place = {"batch": self.batch, "seconds": self.seconds, "rollbacks": self.rollbacks}
        return {**place, **means}

    @torch.no_grad()
    def restore(
        self, tensors: dict[str, Tensor], position: dict[str, Any], history: list[Epoch]
    ) -> None:
        """Go back to where `tensors`, `position` and `history` were read."""
        device = self.model.device
        self.means = Means()  # its sums have another shape once there is a batch
        self.means.sums = torch.zeros_like(tensors["means.sums"], device=device)
        self.means.finite = torch.zeros_like(tensors["means.finite"], device=device)
        self.means.names, self.means.images = tuple(position["names"]), position["images"]
        self.means.batches = self.batch = position["batch"]
        self.seconds, self.history = position["seconds"], list(history)
        self.rollbacks = position["rollbacks"]
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])

    @cached_property
    def compiled(self) -> Callable[..., LossTerms]:
        """The objective for training, compiled if the configuration wants it so and torch can."""
        if not (self.config.compile and self.objective.compiles):
            return self.objective
        from torch._inductor import config as inductor

        inductor.fallback_random = True  # the same noise as without
        compiled: Callable[..., LossTerms] = torch.compile(self.objective)
        return compiled

    def set_rate(self, batches: int) -> None:
        """Set the learning rate of the batch in progress, of so many in an epoch."""
        config, done = self.config, len(self.history) + (self.batch - 0.5) / batches
        schedule = factor(config.lr_schedule, config.warmup, done / config.epochs)
        self.optimizer.lr = config.lr * 0.5**self.rollbacks * schedule


def find_best(config: Config, history: Sequence[Epoch]) -> Epoch | None:
    """The first epoch with the lowest validation loss, if there are validation images.

    With a discriminator the loss does not measure quality: the lowest distortion decides.
    """
    monitor = build.monitor(config)
    return min((e for e in history if e.valid), key=lambda e: e.valid[monitor], default=None)


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


def start(config: Config, train: Images) -> State:
    """A new model for images like these, on its device, before the first batch."""
    device = build.device(config.device)
    model, objective = build.build(config, train.shape, train.classes, train.mean, len(train))
    model, objective = model.to(device), objective.to(device)
    optimizer = build.optimizer(config, model, objective)
    return State(config, train.shape, train.classes, model, objective, optimizer)


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
    rehearsed = train.labelled if state.objective.reads_labels else train.labels[:0]
    lowered = partial(torch.autocast, device.type, torch.bfloat16)
    precision = lowered if config.precision == "bf16" else nullcontext
    score: Callable[..., LossTerms] = state.objective  # torch learns from one batch how to compile
    while not why_over(config, state.history):
        number = len(state.history) + 1
        began = time.perf_counter() - state.seconds
        order = torch.randperm(len(train), generator=generator(config.seed, "order", number))
        batches = order.to(device).split(config.batch_size)
        model.train()
        while state.batch < len(batches):
            index = batches[state.batch]
            state.batch += 1
            state.set_rate(len(batches))
            if 0 < len(rehearsed) < len(train):
                index = torch.cat([index, _draw_labelled(rehearsed, config, number, state.batch)])
            reseed(device, config.seed, "noise", number, state.batch)
            x, c = train.pixels(index), train.context(index) if labelled else None
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
        state.batch, state.means, state.seconds = 0, Means(), 0.0
        yield state.history[-1]


def _draw_labelled(labelled: Tensor, config: Config, epoch: int, batch: int) -> Tensor:
    """Which labelled images join a batch: all, or at random as many as a batch holds."""
    order = torch.randperm(
        len(labelled), generator=generator(config.seed, "labelled", epoch, batch)
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


def _finite(means: Means, epoch: int, lr: float) -> dict[str, float]:
    """The means, or `TrainingDiverged` with the first batch and term that are not finite."""
    if int(means.finite) == means.batches:
        return means.read()
    values = dict(zip(means.names, means.last.tolist(), strict=True))
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    where = f"in batch {int(means.finite) + 1} of epoch {epoch} at learning rate {lr:g}"
    raise TrainingDiverged(f"Training diverged: {bad[-1]} became {values[bad[-1]]} {where}. {HINT}")
