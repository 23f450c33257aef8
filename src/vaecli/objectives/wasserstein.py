"""Latents that follow the prior as a whole: distances between two samples of them."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..config import Count, Weight
from ..model import VAE
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    detached_prior_nll,
    loss_terms,
)

KERNEL_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the kernel, times the width of N(0, I)


def mmd(a: Tensor, b: Tensor) -> Tensor:
    """Unbiased squared maximum mean discrepancy of two samples, shape `()`.

    The kernel is the sum of inverse multiquadrics `C / (C + |u - v|^2)`, with `C = 2 D` times each
    of `KERNEL_SCALES`. A single point has no pairs, and gives the term between the samples alone.

    References:
        A Kernel Two-Sample Test (Gretton et al., 2012), https://jmlr.org/papers/v13/gretton12a.html
        Wasserstein Auto-Encoders (Tolstikhin et al., 2018), https://arxiv.org/abs/1711.01558

    Args:
        a: First sample, shape `(N, D)`.
        b: Second sample, shape `(N, D)`.
    """

    def within(k: Tensor) -> Tensor:
        pairs = max(len(k) * (len(k) - 1), 1)
        return (k.sum() - k.trace()) / pairs  # a point is not its own neighbour

    return within(kernel(a, a)) + within(kernel(b, b)) - 2 * kernel(a, b).mean()


def kernel(u: Tensor, v: Tensor) -> Tensor:
    """The kernel of all pairs, shape `(N, N)`."""
    inner = u @ v.T
    squared = (u.square().sum(-1, keepdim=True) + v.square().sum(-1) - 2 * inner).clamp(min=0)
    widths = [2 * u.shape[-1] * scale for scale in KERNEL_SCALES]
    return torch.stack([(1 + squared / width).reciprocal() for width in widths]).sum(0)


def sliced_wasserstein(a: Tensor, b: Tensor, projections: int) -> Tensor:
    """Squared 2-Wasserstein distance, averaged over projections on random lines, shape `()`.

    References:
        Sliced Wasserstein Auto-Encoders (Kolouri et al., 2019), https://arxiv.org/abs/1804.01947

    Args:
        a: First sample, shape `(N, D)`.
        b: Second sample, shape `(N, D)`.
        projections: How many lines.
    """
    lines = torch.randn(a.shape[-1], projections, dtype=a.dtype, device=a.device)
    lines = normalize(lines, dim=0)
    return ((a @ lines).sort(0).values - (b @ lines).sort(0).values).square().mean()


class WAE(Objective):
    """Distortion plus the maximum mean discrepancy of the latents of all images and the prior.

    Any posterior will do. With a rate above 0 it is InfoVAE: its alpha and lambda are rate =
    1 - alpha and weight = alpha + lambda - 1. A prior that learns is fitted to latents held fixed,
    by a term -log p(z), unless the rate trains it.

    References:
        Wasserstein Auto-Encoders (Tolstikhin et al., 2018), https://arxiv.org/abs/1711.01558
        InfoVAE: Information Maximizing Variational Autoencoders (Zhao et al., 2017),
            https://arxiv.org/abs/1706.02262

    Args:
        weight: Weight of the discrepancy, which is small beside a distortion in nats: the paper's
            10 goes with a squared error.
        rate: Weight of the rate, which a deterministic posterior does not have.
    """

    def __init__(self, weight: Weight = 100.0, rate: Weight = 0.0) -> None:
        super().__init__()
        self.weight, self.rate, self.needs_density = weight, rate, rate > 0

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        discrepancy = mmd(draw.z[0], model.sample_latent(len(x), c).detach())
        other = self.rate * draw.rate if self.rate else detached_prior_nll(model, draw, c)
        return loss_terms(
            draw, draw.distortion + self.weight * discrepancy + other, mmd=discrepancy
        )


class SWAE(Objective):
    """Distortion plus the sliced Wasserstein distance of the latents of all images and the prior.

    A prior that learns is fitted to latents held fixed, by a term -log p(z).

    References:
        Sliced Wasserstein Auto-Encoders (Kolouri et al., 2019), https://arxiv.org/abs/1804.01947

    Args:
        weight: Weight of the squared distance.
        projections: Random lines that the latents are projected on.
    """

    needs_density = False

    def __init__(self, weight: Weight = 10.0, projections: Count = 50) -> None:
        super().__init__()
        self.weight, self.projections = weight, projections

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        prior = model.sample_latent(len(x), c).detach()
        discrepancy = sliced_wasserstein(draw.z[0], prior, self.projections)
        loss = draw.distortion + self.weight * discrepancy + detached_prior_nll(model, draw, c)
        return loss_terms(draw, loss, sliced_wasserstein=discrepancy)
