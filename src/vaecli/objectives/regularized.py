"""Deterministic autoencoders whose decoder is kept smooth by a penalty instead of noise."""

from typing import Literal

import torch
from torch import Tensor

from ..config import Weight
from ..errors import ConfigError
from ..model import VAE, Draw
from ..parts.posteriors import Posterior
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    detached_prior_nll,
    loss_terms,
)


class RAE(Objective):
    """Distortion plus beta times half the squared code plus a penalty of a rough decoder.

    The penalty is the squared weights of the decoder without biases (l2), or the squared gradient
    of the decoded pixel means in the code (gp). A prior that learns is fitted to codes held
    fixed, by a term -log p(z).

    References:
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020),
            https://arxiv.org/abs/1903.12436

    Args:
        penalty: Which penalty of the decoder.
        beta: Weight of half the squared code.
        weight: Weight of the penalty.
    """

    needs_density = False

    def __init__(
        self,
        posterior: Posterior,
        penalty: Literal["l2", "gp"] = "l2",
        beta: Weight = 0.01,
        weight: Weight = 0.001,
    ) -> None:
        super().__init__()
        if posterior.has_density or posterior.space != "real":
            raise ConfigError(
                "The rae objective regularises a deterministic code: use --posterior dirac."
            )
        self.penalty, self.beta, self.weight = penalty, beta, weight
        self.compiles = penalty == "l2"

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        size = draw.z.square().sum(-1).mean(0) / 2
        penalty = (
            decoder_l2(model) if self.penalty == "l2" else decoder_gradient_penalty(model, draw, c)
        )
        loss = draw.distortion + self.beta * size + self.weight * penalty
        return loss_terms(
            draw, loss + detached_prior_nll(model, draw, c), code=size, roughness=penalty
        )


def decoder_l2(model: VAE) -> Tensor:
    """The sum of the squares of the decoder's weights, shape `()`."""
    weights = [p for p in model.likelihood.parameters() if p.ndim > 1]
    return torch.stack([weight.square().sum() for weight in weights]).sum()


def decoder_gradient_penalty(model: VAE, draw: Draw, c: Tensor | None) -> Tensor:
    """The squared Frobenius norm of the Jacobian of pixel means in the code, shape `(B,)`.

    It is estimated without bias: J^T v with v from N(0, I) has the mean square |J|^2.
    """
    training = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.enable_grad():  # evaluation has gradients off
        z = draw.z.clone().requires_grad_()
        means = model.likelihood(z, c.clone() if c is not None and model.context else None).mean
        noise = torch.randn_like(means)
        (gradient,) = torch.autograd.grad(means, z, noise, create_graph=training)
    return gradient.square().sum(-1).mean(0)
