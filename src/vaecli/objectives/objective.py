"""The interface of objectives, the metrics that they log, and what several of them share."""

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.func import functional_call

from ..model import VAE, Draw
from ..parts.posteriors import GaussianPosterior, Posterior
from ..system import processes
from ..system.errors import ConfigError

Context = Tensor | None  # one-hot labels, shape (B, classes)

END_OF_TRAINING = math.inf  # epochs after which every schedule has reached its final value
EVALUATION_BATCH_SIZE = 1000  # images: fast, and at most 100 MB of memory for 28x28 pixels


@dataclass(frozen=True)
class LossTerms:
    """The loss of a batch and its metrics, as means over the images of this process.

    If several processes share the batch, the means over all its images are those of the processes,
    weighted by their images; a term that couples the images is the same on all.

    Attributes:
        loss: What training minimizes, in nats per image, shape `()`.
        metrics: Columns of losses.csv, without gradient, each of shape `()`; `METRICS` has
            their units. The first are loss, distortion and rate; a deterministic posterior has no
            rate and logs prior_nll in its place.
    """

    loss: Tensor
    metrics: dict[str, Tensor]


class Objective(nn.Module, abc.ABC):
    """A training loss: a module, because it may have parameters, such as a discriminator's.

    What couples the images of a batch reads those of all processes, see `system.processes`.

    In its `__init__` a subclass sets the attributes that differ from these defaults; it sets
    `monitor` in its class body.

    Attributes:
        monitor: The validation metric whose lowest value decides which epoch is best: the loss,
            or the distortion where a discriminator contributes to the loss.
        needs_density: Whether it reads `log q(z | x)` or the rate, which a deterministic posterior
            lacks.
        reads_labels: Whether it reads labels even if the model is not conditional.
        infers_label: Whether the label is a latent with a uniform prior, over which evaluation
            sums; else a conditional model is evaluated given the true label.
        compiles: Whether `torch.compile` can compile it: not with a gradient penalty, since
            torch.compile does not support double backward.
        evaluation_batch_size: Images in a batch of evaluation.
        latent_groups: Equal groups of adjacent latents whose rates it reads; 1 for the whole rate,
            0 for every latent by itself. With any but 1, posterior and prior must be diagonal
            Gaussians.
    """

    monitor: ClassVar[str] = "loss"

    def __init__(self) -> None:
        super().__init__()
        self.needs_density = True
        self.reads_labels = False
        self.infers_label = False
        self.compiles = True
        self.evaluation_batch_size = EVALUATION_BATCH_SIZE
        self.latent_groups = 1

    @abc.abstractmethod
    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        """The loss and metrics of images x, shape `(B, C, H, W)`.

        Args:
            model: The model to train.
            x: Pixels in [0, 1], of the images of this process.
            c: Labels, one-hot, shape `(B, classes)`; a row of zeros is an unknown label.
            epoch: Epochs trained so far, such as 2.5, for schedules; infinity in evaluation, which
                uses their final values.
        """


def loss_terms(draw: Draw, loss: Tensor, **metrics: Tensor) -> LossTerms:
    """Means over the images of `loss` and of the metrics of the draw and the objective.

    If the posterior has a codebook, its vq_loss is added to the loss, and is one of the metrics.

    Args:
        draw: Gives distortion, and rate or prior_nll, by `Draw.elbo_terms`.
        loss: Shape `(B,)` or `()`.
        metrics: Further columns by name, each of shape `(B,)` or `()`.
    """
    if draw.vq_loss is not None:
        loss = loss + draw.vq_loss
        metrics = {"vq_loss": draw.vq_loss, **metrics}
    mean = loss.mean()
    with torch.no_grad():
        columns = draw.elbo_terms() | metrics
        means = {name: column.float().mean() for name, column in columns.items()}
    return LossTerms(mean, {"loss": mean.detach(), **means})


def sample_prior(model: VAE, images: int, c: Context) -> Tensor:
    """A sample of the prior for every image of the whole batch, shape `(N, D)`.

    N is B, or more if several processes share the batch: all of them draw all samples, and
    `processes.own_rows` are those of one.

    Args:
        model: Has the prior.
        images: Number B of images of this process.
        c: Their labels, shape `(B, classes)`.
    """
    return sample_whole_batch(model.prior, images, model.used_context(c))


def sample_whole_batch(prior: nn.Module, images: int, c: Context) -> Tensor:
    """As `sample_prior`, from a prior that reads the labels even if the model does not."""
    n = processes.batch_rows(images)
    labels = None if c is None else processes.gather(c)
    with processes.compute_alike():
        z: Tensor = prior(labels).expand((n,)).sample()
    return z


def frozen(module: nn.Module) -> Callable[..., Any]:
    """The module as a function that passes gradients to its inputs, not to its parameters."""
    detached = {name: parameter.detach() for name, parameter in module.named_parameters()}
    return lambda *inputs: functional_call(module, detached, inputs)


def detached_prior_nll(model: VAE, draw: Draw, c: Context) -> Tensor:
    """`-log p(z)` of detached latents, shape `(B,)`: fits a learned prior to the latents.

    For losses that do not read the density of the prior. It trains only the parameters that the
    prior does not share with the posterior; if there are none, it is 0, shape `()`.
    """
    shared = set(model.posterior.parameters())
    named = dict(model.prior.named_parameters())
    if shared.issuperset(named.values()):
        return draw.z.new_zeros(())
    detached = {name: p.detach() for name, p in named.items() if p in shared}
    prior: Distribution = functional_call(model.prior, detached, (model.used_context(c),))
    return -prior.log_prob(draw.z.detach()).mean(0)


def require_gaussian(objective: str, posterior: Posterior) -> None:
    """Raise `ConfigError` unless the posterior is a diagonal Gaussian."""
    if not isinstance(posterior, GaussianPosterior):
        raise ConfigError(
            f"The {objective} objective needs a posterior with independent dimensions: use "
            "posterior='gaussian'."
        )
