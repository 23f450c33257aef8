"""What every objective is: a model and a batch to a loss and what to log of it."""

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.func import functional_call

from ..errors import ConfigError
from ..model import VAE, Draw
from ..parts.posteriors import GaussianPosterior, Posterior

Context = Tensor | None
END = math.inf  # of training, by when every schedule has run


@dataclass(frozen=True)
class Terms:
    """What one batch came to, in nats per image.

    Attributes:
        loss: What is minimised, shape `()`.
        logged: The columns of the loss log, without gradient, each of shape `()`.
            Every objective begins with loss, distortion and rate; a posterior without a density
            has no rate, and is logged with prior_nll in its place.
    """

    loss: Tensor
    logged: dict[str, Tensor]


class Objective(nn.Module, abc.ABC):
    """What training minimises. A module, since an objective may have parameters of its own.

    Attributes:
        needs_density: It reads `log q(z | x)` or the rate, which a deterministic code has not.
        reads_labels: It is given labels even where the model is not conditional.
        has_critic: Its loss is that of a game, and no measure of how good the model is.
        compiles: torch can compile it, which it cannot where a loss holds a gradient.
        largest: Images that evaluation scores at a time: quick, and 100 MB of memory at most for
            28x28.
    """

    needs_density: bool = True
    reads_labels: bool = False
    has_critic: bool = False
    compiles: bool = True
    largest: int = 1000

    @abc.abstractmethod
    def forward(self, model: VAE, x: Tensor, c: Context = None, epoch: float = END) -> Terms:
        """Score the images x, shape `(B, C, H, W)`.

        Args:
            model: What is trained.
            x: Pixels in [0, 1].
            c: Labels, one-hot, shape `(B, classes)`; a row of zeros is an unknown label.
            epoch: Epochs of training done, with fractions: what a schedule goes by. Evaluation
                is at full schedule.
        """


def score(draw: Draw, loss: Tensor, **extra: Tensor) -> Terms:
    """The terms of a draw: `loss` plus the posterior's penalty, and `extra` columns to log.

    All have shape `(B,)` or `()`.
    """
    if draw.penalty is not None:
        loss, extra = loss + draw.penalty, {"penalty": draw.penalty, **extra}
    mean = loss.mean()
    with torch.no_grad():
        logged = {name: part.float().mean() for name, part in (draw.scores() | extra).items()}
    return Terms(mean, {"loss": mean.detach(), **logged})


def frozen(module: nn.Module) -> Callable[..., Any]:
    """The module as a function: gradients pass through it, none reaches its parameters."""
    held = {name: parameter.detach() for name, parameter in module.named_parameters()}
    return lambda *inputs: functional_call(module, held, inputs)


def prior_fit(model: VAE, draw: Draw, c: Tensor | None) -> Tensor:
    """`-log p(z)` for latents that are held fixed, shape `(B,)`.

    With this term a prior learns the latents where the rest of the loss does not read its density.
    It moves nothing but parameters that the prior has to itself; it is 0 if there are none.
    """
    shared = set(model.posterior.parameters())
    named = dict(model.prior.named_parameters())
    if shared.issuperset(named.values()):
        return draw.z.new_zeros(())
    held = {name: parameter.detach() for name, parameter in named.items() if parameter in shared}
    p: Distribution = functional_call(model.prior, held, (c if model.context else None,))
    return -p.log_prob(draw.z.detach()).mean(0)


def need_gaussian(objective: str, posterior: Posterior) -> None:
    """Raise `ConfigError` unless the posterior is the one with independent dimensions."""
    if not isinstance(posterior, GaussianPosterior):
        raise ConfigError(f"{objective} needs independent latents: use --posterior gaussian.")
