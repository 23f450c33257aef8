"""The state of training: all that a checkpoint holds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..config import build
from ..config.config import Config
from ..data.images import Images
from ..evaluation.means import RunningMeans
from ..model import VAE
from ..objectives import Objective, Terms
from ..parts.optimizers import Optimizer
from ..system.devices import select_device
from .epoch import Epoch
from .schedules import factor


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
    means: RunningMeans = field(default_factory=RunningMeans)
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
        self.means = RunningMeans()  # its sums have another shape once there is a batch
        self.means.sums = torch.zeros_like(tensors["means.sums"], device=device)
        self.means.finite = torch.zeros_like(tensors["means.finite"], device=device)
        self.means.names, self.means.images = tuple(position["names"]), position["images"]
        self.means.batches = self.batch = position["batch"]
        self.seconds, self.history = position["seconds"], list(history)
        self.rollbacks = position["rollbacks"]
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])

    @cached_property
    def compiled(self) -> Callable[..., Terms]:
        """The objective for training, compiled if the configuration wants it so and torch can."""
        if not (self.config.compile and self.objective.compiles):
            return self.objective
        from torch._inductor import config as inductor

        inductor.fallback_random = True  # the same noise as without
        compiled: Callable[..., Terms] = torch.compile(self.objective)
        return compiled

    def set_rate(self, batches: int) -> None:
        """Set the learning rate of the batch in progress, of so many in an epoch."""
        config, done = self.config, len(self.history) + (self.batch - 0.5) / batches
        schedule = factor(config.lr_schedule, config.warmup, done / config.epochs)
        self.optimizer.lr = config.lr * 0.5**self.rollbacks * schedule


def start(config: Config, train: Images) -> State:
    """A new model for images like these, on its device, before the first batch."""
    device = select_device(config.device)
    model, objective = build.build(config, train.shape, train.classes, train.mean, len(train))
    model, objective = model.to(device), objective.to(device)
    optimizer = build.optimizer(config, model, objective)
    return State(config, train.shape, train.classes, model, objective, optimizer)
