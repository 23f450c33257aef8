"""Bounds on `log p(x)` from several samples for each image, weighted by their importance."""

from dataclasses import replace
from typing import Annotated, cast

import torch
from annotated_types import Ge, Le
from torch import Tensor

from ..config import Count
from ..model import VAE, Draw, log_mean_exp
from ..parts.distributions import DiagonalNormal
from ..parts.posteriors import Posterior
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    frozen,
    loss_terms,
    require_gaussian,
)

MAX_DECODED_LATENTS = 4000  # at a time in evaluation: more are slower and take memory


class IWAE(Objective):
    """The importance-weighted bound, whose weights come from several samples of an image.

    With outer above 1 it is MIWAE, with beta above 0 CIWAE. One sample is the ELBO, its rate by
    Monte Carlo.

    References:
        Importance Weighted Autoencoders (Burda et al., 2016), https://arxiv.org/abs/1509.00519
        Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018),
            https://arxiv.org/abs/1802.04537, for outer and beta

    Args:
        samples: Samples K in a bound.
        outer: Bounds M that are averaged, each from samples of its own.
        beta: Share in [0, 1] of the ELBO, of all K M samples, in the loss; the bound has the rest.
    """

    def __init__(
        self, samples: Count = 8, outer: Count = 1, beta: Annotated[float, Ge(0), Le(1)] = 0.0
    ) -> None:
        super().__init__()
        self.total_samples, self.largest = samples * outer, most_images(samples * outer)
        self.samples, self.beta = samples, beta

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c, self.total_samples)
        loss = -mean_bound(draw.log_weights, self.samples)
        if self.beta:
            loss = (1 - self.beta) * loss + self.beta * (draw.distortion + draw.rate)
        return loss_terms(draw, loss)


class PIWAE(Objective):
    """The decoder learns by one bound of all samples, the encoder by the mean of looser ones.

    More samples tighten the bound but drown the gradient of the encoder in noise. The prior is
    trained as the decoder is; the loss is the decoder's bound, and its value has no part of the
    encoder's.

    References:
        Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018),
            https://arxiv.org/abs/1802.04537

    Args:
        samples: Samples K in a bound of the encoder.
        outer: Bounds M of the encoder; the decoder's is of K M samples.
    """

    def __init__(self, samples: Count = 8, outer: Count = 8) -> None:
        super().__init__()
        self.total_samples, self.largest = samples * outer, most_images(samples * outer)
        self.samples = samples

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        given = c if model.context else None
        q = model.encode(x, c)
        z = q.rsample((self.total_samples,))
        draw = Draw(x, z, q, frozen(model.prior)(given), frozen(model.likelihood)(z, given))
        if not torch.is_grad_enabled():
            return loss_terms(draw, -draw.bound)
        encoder = -mean_bound(draw.log_weights, self.samples)
        z, log_qz = z.detach(), draw.log_qz.detach()
        log_pxz = model.likelihood(z, given).log_prob(x) + model.prior(given).log_prob(z)
        decoder = -log_mean_exp(log_pxz - log_qz)
        return loss_terms(draw, decoder + (encoder - encoder.detach()))


class Renyi(Objective):
    """The variational Rényi bound, from the ELBO (alpha 1) to the importance-weighted (alpha 0).

    It falls with alpha; a negative alpha overestimates `log p(x)` when there are samples enough.

    References:
        Rényi Divergence Variational Inference (Li & Turner, 2016),
            https://arxiv.org/abs/1602.02311

    Args:
        alpha: Order of the divergence.
        samples: Samples K in the bound.
    """

    def __init__(self, alpha: float = 0.5, samples: Count = 8) -> None:
        super().__init__()
        self.alpha, self.samples, self.largest = alpha, samples, most_images(samples)

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c, self.samples)
        power = 1 - self.alpha
        if power == 0:
            return loss_terms(draw, -draw.log_weights.mean(0))
        return loss_terms(draw, -log_mean_exp(power * draw.log_weights) / power)


class DReG(Objective):
    """The importance-weighted bound, with a gradient for the encoder that has less noise.

    The mean of that gradient is the same: what the score of q adds has been integrated away. One
    sample is "sticking the landing".

    References:
        Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives
            (Tucker et al., 2019), https://arxiv.org/abs/1810.04152
        Sticking the Landing (Roeder et al., 2017), https://arxiv.org/abs/1703.09194

    Args:
        samples: Samples K in the bound.
    """

    def __init__(self, posterior: Posterior, samples: Count = 8) -> None:
        super().__init__()
        require_gaussian("dreg", posterior)
        self.samples, self.largest = samples, most_images(samples)

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c, self.samples)
        q = cast(DiagonalNormal, draw.q)
        draw = replace(draw, q=DiagonalNormal(q.loc.detach(), q.log_var.detach()))
        weights = draw.log_weights.detach().softmax(0).unsqueeze(-1)
        if draw.z.requires_grad:
            # The bound weighs the gradient at a sample once, this a second time, on the way to q.
            draw.z.register_hook(lambda gradient: weights * gradient)
        return loss_terms(draw, -draw.bound)


def most_images(samples: int) -> int:
    """How many images evaluation scores at a time with so many samples of each."""
    return max(1, MAX_DECODED_LATENTS // samples)


def mean_bound(log_weights: Tensor, samples: int) -> Tensor:
    """The mean of importance-weighted bounds of `samples` samples each, shape `(B,)`."""
    return log_mean_exp(log_weights.unflatten(0, (samples, -1))).mean(0)
