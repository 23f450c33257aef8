"""The state of training: everything that a checkpoint holds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..config import build
from ..config.config import Config
from ..data.images import Images
from ..evaluation.fitting import make_fitted_prior
from ..evaluation.means import RunningMeans
from ..model import VAE
from ..objectives import LossTerms, Objective
from ..parts.optimizers import Optimizer
from ..system import machine, processes
from ..system.devices import select_device
from ..system.errors import ModelTooLarge, ResourceError
from .epoch import Epoch
from .schedules import lr_multiplier


@dataclass
class State:
    """Everything that training changes, and its configuration.

    Random numbers need no state: every batch has its own stream, named by seed, epoch and batch.

    Attributes:
        shape: Shape of an image, (C, H, W).
        classes: Number of labels; 0 for none.
        class_names: Names of the classes; empty if they have none but their numbers.
        compile: Whether the objective is compiled; several processes train without the compiler.
        history: The finished epochs.
        batch: Number of finished batches of the epoch in progress.
        means: Running means of the epoch in progress.
        seconds: Training time of the epoch in progress.
        rollbacks: How often training went back to a checkpoint after it diverged.
        steps: Number of batches that this process has trained on with this state.
    """

    config: Config
    shape: tuple[int, int, int]
    classes: int
    model: VAE
    objective: Objective
    optimizer: Optimizer
    class_names: tuple[str, ...] = ()
    compile: bool = False
    history: list[Epoch] = field(default_factory=list)
    batch: int = 0
    means: RunningMeans = field(default_factory=RunningMeans)
    seconds: float = 0.0
    rollbacks: int = 0
    steps: int = 0

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(p.numel() for p in self.optimizer.parameters)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that training changes, by name; not copied."""
        groups = {
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state(),
            "means": {"sums": self.means.sums, "finite": self.means.finite},
        }
        return {
            f"{group}.{name}": tensor
            for group, named in groups.items()
            for name, tensor in named.items()
        }

    def position(self) -> dict[str, Any]:
        """The progress of the current epoch, as values for JSON."""
        return {
            "batch": self.batch,
            "seconds": self.seconds,
            "rollbacks": self.rollbacks,
            "names": self.means.names,
            "images": self.means.images,
        }

    @torch.no_grad()
    def restore(
        self, tensors: dict[str, Tensor], position: dict[str, Any], history: list[Epoch]
    ) -> None:
        """Set the state to what `tensors`, `position` and `history` were taken from."""
        device = self.model.device
        self.means = RunningMeans()  # the shape of its sums depends on the objective
        self.means.sums = torch.zeros_like(tensors["means.sums"], device=device)
        self.means.finite = torch.zeros_like(tensors["means.finite"], device=device)
        self.means.names = tuple(position["names"])
        self.means.images = position["images"]
        self.means.batches = position["batch"]
        self.batch = position["batch"]
        self.seconds = position["seconds"]
        self.rollbacks = position["rollbacks"]
        self.history = list(history)
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])

    def finish_epoch(self, epoch: Epoch) -> None:
        """Add a finished epoch to the history; the next one starts at its first batch."""
        self.history.append(epoch)
        self.batch = 0
        self.means = RunningMeans()
        self.seconds = 0.0

    @property
    def training_objective(self) -> Callable[..., LossTerms]:
        """The objective, compiled from the second batch of this process on if `compile` is set.

        The first batch runs uncompiled: in it `kl_divergence` looks up its formula, which
        torch.compile cannot trace, and caches it.
        """
        if not self.compile or self.steps == 0:
            return self.objective
        return self._compiled_objective

    @cached_property
    def _compiled_objective(self) -> Callable[..., LossTerms]:
        from torch._inductor import config as inductor  # slow to import, and rarely needed

        inductor.fallback_random = True  # the same random numbers as without the compiler
        compiled: Callable[..., LossTerms] = torch.compile(self.objective)
        return compiled

    def update_learning_rate(self, batches: int) -> None:
        """Set the learning rate for the current batch.

        Args:
            batches: Batches in an epoch.
        """
        epochs_done = len(self.history) + (self.batch - 0.5) / batches
        progress = epochs_done / self.config.epochs
        multiplier = lr_multiplier(self.config.lr_schedule, self.config.lr_warmup, progress)
        self.optimizer.lr = self.config.lr * 0.5**self.rollbacks * multiplier


def start(config: Config, train: Images) -> State:
    """The initial training state for images like `train`, on the configured device.

    Raises:
        ConfigError: A part or an option is unknown, the parts do not fit each other or the images,
            or the device is missing.
        ModelTooLarge: It does not fit in memory.
    """
    return start_resolved(build.resolve(config), train)


def start_resolved(config: Config, train: Images) -> State:
    """As `start`, from a configuration with every option of every part.

    The configuration of the state has the number of latents.

    Raises:
        ConfigError: The parts do not fit each other or the images, or the device is missing.
        ModelTooLarge: It does not fit in memory.
    """
    config = build.with_latent_dim(config, train.shape)
    check_model(config, train)
    model, objective = build.build(config, train.shape, train.classes, train.mean, len(train))
    device = select_device(config.device)
    model = model.to(device)
    objective = objective.to(device)
    return State(
        config=config,
        shape=train.shape,
        classes=train.classes,
        class_names=train.class_names,
        model=model,
        objective=objective,
        optimizer=build.make_optimizer(config, model, objective),
        compile=config.compile and objective.compiles and processes.count() == 1,
    )


def check_model(config: Config, train: Images) -> None:
    """Check that a model can be built, before any weights are allocated.

    Linux promises more memory than there is, and kills the process that uses it.

    Args:
        config: Resolved, with the number of latents.
        train: The images to train on.

    Raises:
        ConfigError: The parts do not fit each other or the images.
        ModelTooLarge: The weights do not fit in memory.
    """
    with torch.device("meta"):  # shapes only
        parts = build.build(config, train.shape, train.classes, images=len(train))
        make_fitted_prior(config, parts[0], train)  # raises now rather than after training
        optimizer = build.make_optimizer(config, *parts)
    tensors = [*optimizer.parameters, *optimizer.parameters, *optimizer.state().values()]
    size = sum(tensor.nbytes for tensor in tensors)
    try:
        machine.require_memory(size, "Training a model of this width and latent_dim")
    except ResourceError as error:
        raise ModelTooLarge(str(error)) from None
