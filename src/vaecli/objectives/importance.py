"""Bounds on `log p(x)` from several importance-weighted samples of each image."""

from dataclasses import replace
from typing import Annotated, cast

import torch
from annotated_types import Ge, Le
from torch import Tensor

from ..model import VAE, Draw, log_mean_exp
from ..parts.distributions import DiagonalNormal
from ..parts.posteriors import Posterior
from ..parts.ranges import Count
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    frozen,
    loss_terms,
    require_gaussian,
)

MAX_DECODED_LATENTS = 4000  # at a time in evaluation: more are slower and need more memory


class IWAE(Objective):
    """Importance-weighted bound from several samples of each image.

    With bounds above 1 it is MIWAE, with beta above 0 CIWAE. With one sample it is the ELBO, with
    the rate estimated by Monte Carlo.

    References:
        Importance Weighted Autoencoders (Burda et al., 2016), https://arxiv.org/abs/1509.00519
        Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018),
            https://arxiv.org/abs/1802.04537, for bounds and beta

    Args:
        samples: Samples K in a bound.
        bounds: Bounds M that are averaged, each from its own K samples.
        beta: Weight of the ELBO from all K M samples, 0 to 1; the bound has weight 1 - beta.
    """

    def __init__(
        self, samples: Count = 8, bounds: Count = 1, beta: Annotated[float, Ge(0), Le(1)] = 0.0
    ) -> None:
        super().__init__()
        self.samples = samples
        self.total_samples = samples * bounds
        self.beta = beta
        self.evaluation_batch_size = evaluation_batch_size(self.total_samples)

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c, self.total_samples)
        loss = -mean_bound(draw.log_weights, self.samples)
        if self.beta:
            loss = (1 - self.beta) * loss + self.beta * (draw.distortion + draw.rate)
        return loss_terms(draw, loss)


class PIWAE(Objective):
    """Trains the decoder by one bound from all samples, the encoder by the mean of looser bounds.

    More samples tighten the bound, but the signal-to-noise ratio of the encoder's gradient falls.
    The prior is trained with the decoder. The value of the loss is the decoder's negative bound.

    References:
        Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018),
            https://arxiv.org/abs/1802.04537

    Args:
        samples: Samples K in a bound that trains the encoder.
        bounds: Bounds M that train the encoder; the decoder's bound uses all K M samples.
    """

    def __init__(self, samples: Count = 8, bounds: Count = 8) -> None:
        super().__init__()
        self.samples = samples
        self.total_samples = samples * bounds
        self.evaluation_batch_size = evaluation_batch_size(self.total_samples)

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        c = model.used_context(c)
        q = model.encode(x, c)
        z = q.rsample((self.total_samples,))
        draw = Draw(x, z, q, frozen(model.prior)(c), frozen(model.likelihood)(z, c))
        if not torch.is_grad_enabled():
            return loss_terms(draw, -draw.bound)
        encoder_loss = -mean_bound(draw.log_weights, self.samples)
        z = z.detach()
        log_qz = draw.log_qz.detach()
        log_pxz = model.likelihood(z, c).log_prob(x) + model.prior(c).log_prob(z)
        decoder_loss = -log_mean_exp(log_pxz - log_qz)
        # The difference is 0: it adds the encoder's gradient, and no value.
        return loss_terms(draw, decoder_loss + (encoder_loss - encoder_loss.detach()))


class Renyi(Objective):
    """Variational Rényi bound, from the ELBO (alpha 1) to the importance-weighted bound (alpha 0).

    The bound decreases with alpha. With a negative alpha and enough samples it exceeds `log p(x)`.

    References:
        Rényi Divergence Variational Inference (Li & Turner, 2016),
            https://arxiv.org/abs/1602.02311

    Args:
        alpha: Order of the divergence.
        samples: Samples K in the bound.
    """

    def __init__(self, alpha: float = 0.5, samples: Count = 8) -> None:
        super().__init__()
        self.alpha = alpha
        self.samples = samples
        self.evaluation_batch_size = evaluation_batch_size(samples)

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c, self.samples)
        power = 1 - self.alpha
        if power == 0:
            return loss_terms(draw, -draw.log_weights.mean(0))
        return loss_terms(draw, -log_mean_exp(power * draw.log_weights) / power)


class DReG(Objective):
    """Importance-weighted bound with the doubly reparameterized gradient, which is less noisy.

    The encoder's gradient has the same mean as that of iwae, without the noise of the score
    function of q. With one sample it is the estimator of "Sticking the Landing".

    References:
        Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives
            (Tucker et al., 2019), https://arxiv.org/abs/1810.04152
        Sticking the Landing: Simple, Lower-Variance Gradient Estimators for Variational Inference
            (Roeder et al., 2017), https://arxiv.org/abs/1703.09194

    Args:
        samples: Samples K in the bound.
    """

    def __init__(self, posterior: Posterior, samples: Count = 8) -> None:
        super().__init__()
        require_gaussian("dreg", posterior)
        self.samples = samples
        self.evaluation_batch_size = evaluation_batch_size(samples)

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c, self.samples)
        q = cast(DiagonalNormal, draw.q)
        draw = replace(draw, q=DiagonalNormal(q.loc.detach(), q.log_var.detach()))
        weights = draw.log_weights.detach().softmax(0).unsqueeze(-1)
        if draw.z.requires_grad:
            # The bound applies the weights once; the gradient needs them squared.
            draw.z.register_hook(lambda gradient: weights * gradient)
        return loss_terms(draw, -draw.bound)


def evaluation_batch_size(samples: int) -> int:
    """Images in a batch of evaluation, if `samples` latents are decoded for each."""
    return max(1, MAX_DECODED_LATENTS // samples)


def mean_bound(log_weights: Tensor, samples: int) -> Tensor:
    """The mean of importance-weighted bounds from `samples` samples each, shape `(B,)`.

    Args:
        log_weights: Of all samples, shape `(K M, B)`.
        samples: Samples K in a bound.
    """
    return log_mean_exp(log_weights.unflatten(0, (samples, -1))).mean(0)
