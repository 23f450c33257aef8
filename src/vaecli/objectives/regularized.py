"""Regularized autoencoders: deterministic, with a penalty on the decoder in place of noise."""

from typing import Literal

import torch
from torch import Tensor, nn

from ..model import VAE, Draw
from ..parts.posteriors import Posterior
from ..parts.ranges import Weight
from ..system.errors import ConfigError
from ..system.processes import draw as draw_noise
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    detached_prior_nll,
    loss_terms,
)


class RAE(Objective):
    """Distortion plus beta times half the squared norm of the latent plus a penalty on the decoder.

    The penalty, which makes the decoder smooth, is the sum of the decoder's squared weights without
    biases (l2), or the squared norm of the Jacobian of the pixel means in the latent (gp). A
    learned prior is fitted by a term -log p(z) of detached latents.

    Logs latent_l2, half the squared norm of the latent, and decoder_penalty, the penalty without
    its weight.

    References:
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020),
            https://arxiv.org/abs/1903.12436

    Args:
        penalty: Penalty on the decoder.
        beta: Weight of latent_l2.
        weight: Weight of the penalty.
    """

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
                "The rae objective needs a deterministic posterior: use posterior='dirac'."
            )
        self.needs_density = False
        self.compiles = penalty == "l2"
        self.penalty = penalty
        self.beta = beta
        self.weight = weight

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        latent_l2 = draw.z.square().sum(-1).mean(0) / 2
        if self.penalty == "l2":
            penalty = decoder_l2(model)
        else:
            penalty = decoder_gradient_penalty(model, draw, c)
        loss = draw.distortion + self.beta * latent_l2 + self.weight * penalty
        return loss_terms(
            draw,
            loss + detached_prior_nll(model, draw, c),
            latent_l2=latent_l2,
            decoder_penalty=penalty,
        )


def decoder_l2(model: VAE) -> Tensor:
    """The sum of the squared weights of the decoder's layers, shape `()`.

    Biases are left out, those of pixels too, and the scales of norms and of pixels.
    """
    layers = [m for m in model.likelihood.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    return torch.stack([layer.weight.square().sum() for layer in layers]).sum()


def decoder_gradient_penalty(model: VAE, draw: Draw, c: Context) -> Tensor:
    """The squared Frobenius norm of the Jacobian J of the pixel means in z, shape `(B,)`.

    An unbiased estimate: for v from N(0, I), the mean of |J^T v|^2 is |J|^2.
    """
    training = torch.is_grad_enabled()
    c = model.used_context(c)
    with torch.inference_mode(False), torch.enable_grad():  # evaluation has gradients off
        z = draw.z.clone().requires_grad_()
        means = model.likelihood(z, None if c is None else c.clone()).mean
        noise = draw_noise(lambda shape: _normal_noise(shape, means), means.shape, dim=1)
        (gradient,) = torch.autograd.grad(means, z, noise, create_graph=training)
    return gradient.square().sum(-1).mean(0)


def _normal_noise(shape: list[int], like: Tensor) -> Tensor:
    """As `torch.randn_like`, with another number of images; their order in memory is the same."""
    return torch.empty_strided(shape, like.stride(), dtype=like.dtype, device=like.device).normal_()
