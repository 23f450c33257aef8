"""Distributions over latent vectors that `torch.distributions` lacks, or holds too slowly."""

import math
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl


@final
class DiagonalNormal(Distribution):
    """Normal with independent dimensions, held as mean and log-variance.

    What an encoder emits is what the densities need: no scale is taken to logarithms and back.

    Args:
        loc: Mean, shape `(*batch, D)`.
        log_var: Logarithm of the variance, shape `(*batch, D)`.
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, loc: Tensor, log_var: Tensor) -> None:
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)
        self.loc, self.log_var = loc, log_var

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.log_var.exp()

    def expand(self, batch_shape: Any, _instance: None = None) -> "DiagonalNormal":
        shape = (*batch_shape, *self.event_shape)
        return DiagonalNormal(self.loc.expand(shape), self.log_var.expand(shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = (*sample_shape, *self.loc.shape)
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + (self.log_var / 2).exp() * noise

    def log_prob(self, z: Tensor) -> Tensor:
        squared = (z - self.loc).square() * (-self.log_var).exp()
        return -0.5 * (squared + self.log_var + math.log(2 * math.pi)).sum(-1)

    def entropy(self) -> Tensor:
        return 0.5 * (self.log_var + math.log(2 * math.pi) + 1).sum(-1)


@register_kl(DiagonalNormal, DiagonalNormal)  # type: ignore[untyped-decorator]
def kl_diagonal_normals(q: DiagonalNormal, p: DiagonalNormal) -> Tensor:
    """`KL(q || p)` in nats, of the broadcast batch shape."""
    squared = (q.loc - p.loc).square() + q.log_var.exp()
    return 0.5 * (squared * (-p.log_var).exp() + p.log_var - q.log_var - 1).sum(-1)
