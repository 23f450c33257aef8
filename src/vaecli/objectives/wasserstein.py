"""Wasserstein autoencoders: distances between the latents of a batch and samples of the prior."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..model import VAE
from ..parts.ranges import Count, Weight
from ..system.processes import gather
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    detached_prior_nll,
    loss_terms,
    sample_prior,
)

KERNEL_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # factors of the kernel's C = 2 D


def mmd(a: Tensor, b: Tensor) -> Tensor:
    """Unbiased squared maximum mean discrepancy of two samples, shape `()`.

    The kernel is the sum of inverse multiquadrics `C / (C + |u - v|^2)`, with `C = 2 D` times each
    of `KERNEL_SCALES`. A sample of one point has no pairs: its term within the sample is 0.

    References:
        A Kernel Two-Sample Test (Gretton et al., 2012), https://jmlr.org/papers/v13/gretton12a.html
        Wasserstein Auto-Encoders (Tolstikhin et al., 2018), https://arxiv.org/abs/1711.01558

    Args:
        a: First sample, shape `(N, D)`.
        b: Second sample, shape `(N, D)`.
    """

    def within(k: Tensor) -> Tensor:
        pairs = max(len(k) * (len(k) - 1), 1)
        return (k.sum() - k.trace()) / pairs  # without the diagonal, the estimate is unbiased

    return within(kernel(a, a)) + within(kernel(b, b)) - 2 * kernel(a, b).mean()


def kernel(u: Tensor, v: Tensor) -> Tensor:
    """The kernel of `mmd` for all pairs of points, shape `(N, N)`."""
    inner = u @ v.T
    squared = (u.square().sum(-1, keepdim=True) + v.square().sum(-1) - 2 * inner).clamp(min=0)
    widths = [2 * u.shape[-1] * scale for scale in KERNEL_SCALES]
    return torch.stack([(1 + squared / width).reciprocal() for width in widths]).sum(0)


def sliced_wasserstein(a: Tensor, b: Tensor, projections: int) -> Tensor:
    """Squared 2-Wasserstein distance, averaged over random projections to a line, shape `()`.

    References:
        Sliced Wasserstein Auto-Encoders (Kolouri et al., 2019),
            https://openreview.net/forum?id=H1xaJn05FQ

    Args:
        a: First sample, shape `(N, D)`.
        b: Second sample, shape `(N, D)`.
        projections: Number of projections.
    """
    directions = torch.randn(a.shape[-1], projections, dtype=a.dtype, device=a.device)
    directions = normalize(directions, dim=0)
    a_sorted = (a @ directions).sort(0).values
    b_sorted = (b @ directions).sort(0).values
    return (a_sorted - b_sorted).square().mean()


class WAE(Objective):
    """Distortion plus the maximum mean discrepancy of the latents and samples of the prior.

    Works with any posterior. With kl_weight above 0 it is InfoVAE, with alpha = 1 - kl_weight and
    lambda = weight + kl_weight. With kl_weight 0 a learned prior is fitted by a term -log p(z) of
    detached latents.

    References:
        Wasserstein Auto-Encoders (Tolstikhin et al., 2018), https://arxiv.org/abs/1711.01558
        InfoVAE: Information Maximizing Variational Autoencoders (Zhao et al., 2017),
            https://arxiv.org/abs/1706.02262

    Args:
        weight: Weight of the discrepancy. It is larger than the paper's 10, which goes with a
            squared error, because a distortion in nats is larger.
        kl_weight: Weight of the rate; must be 0 for a deterministic posterior.
    """

    def __init__(self, weight: Weight = 100.0, kl_weight: Weight = 0.0) -> None:
        super().__init__()
        self.needs_density = kl_weight > 0
        self.weight = weight
        self.kl_weight = kl_weight

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        discrepancy = mmd(gather(draw.z[0]), sample_prior(model, len(x), c).detach())
        if self.kl_weight:
            prior_term = self.kl_weight * draw.rate
        else:
            prior_term = detached_prior_nll(model, draw, c)
        loss = draw.distortion + self.weight * discrepancy + prior_term
        return loss_terms(draw, loss, mmd=discrepancy)


class SWAE(Objective):
    """Distortion plus the sliced Wasserstein distance of the latents and samples of the prior.

    A learned prior is fitted by a term -log p(z) of detached latents.

    References:
        Sliced Wasserstein Auto-Encoders (Kolouri et al., 2019),
            https://openreview.net/forum?id=H1xaJn05FQ

    Args:
        weight: Weight of the squared distance.
        projections: Random projections to a line.
    """

    def __init__(self, weight: Weight = 10.0, projections: Count = 50) -> None:
        super().__init__()
        self.needs_density = False
        self.weight = weight
        self.projections = projections

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        prior = sample_prior(model, len(x), c).detach()
        distance = sliced_wasserstein(gather(draw.z[0]), prior, self.projections)
        loss = draw.distortion + self.weight * distance + detached_prior_nll(model, draw, c)
        return loss_terms(draw, loss, sliced_wasserstein=distance)
