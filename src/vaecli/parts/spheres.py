"""Distributions on the unit sphere of R^D, `D >= 2`: uniform, and about a direction."""

import math
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import register_kl

from ..errors import ConfigError
from .distributions import UnvalidatedDistribution

LARGEST_CONCENTRATION = 1e5
CELLS = 512  # of the polar angle; normaliser and samples agree with the exact ones to 1e-5
REACH = 12.0  # standard deviations to each side of the peak that the cells cover, at least


def require_sphere(latent_dim: int) -> None:
    """Raise a `ConfigError` where the unit sphere is no more than two points."""
    if latent_dim < 2:
        raise ConfigError(
            f"A sphere of latents needs --latent-dim of at least 2, not {latent_dim}."
        )


def log_area(dim: int) -> float:
    """Logarithm of the area of the unit sphere in R^dim."""
    return math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)


class UniformSphere(UnvalidatedDistribution):
    """The uniform distribution on the unit sphere; densities are per unit of its area.

    Args:
        like: Any tensor of shape `(*batch, D)`: gives shape, device and type.
    """

    def __init__(self, like: Tensor) -> None:
        super().__init__(like.shape[:-1], like.shape[-1:])
        self.like = like

    def expand(self, batch_shape: Any, _instance: None = None) -> "UniformSphere":
        return UniformSphere(self.like.expand(*batch_shape, *self.event_shape))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = (*sample_shape, *self.like.shape)
        noise = torch.randn(shape, dtype=self.like.dtype, device=self.like.device)
        return F.normalize(noise, dim=-1)

    def log_prob(self, z: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(z.shape, self.like.shape)[:-1]
        return z.new_full(shape, -log_area(self.event_shape[0]))


class VonMisesFisher(UnvalidatedDistribution):
    """The density on the unit sphere that is proportional to `exp(concentration * direction . z)`.

    What it needs of the angle between z and the direction, it takes by quadrature: the angle's
    range is cut into cells about the peak of its density. Their sum is the normaliser; samples
    invert their cumulative sum. Both are smooth in the concentration, and so have a gradient.

    Args:
        direction: Unit vectors, shape `(*batch, D)`, `D >= 2`.
        concentration: At least 0, where the density is uniform; shape `batch`.
    """

    def __init__(self, direction: Tensor, concentration: Tensor) -> None:
        super().__init__(direction.shape[:-1], direction.shape[-1:])
        self.direction, self.concentration = direction, concentration

    @property
    def mean(self) -> Tensor:
        """The direction: the expectation itself lies inside the sphere, where no latent does."""
        return self.direction

    @property
    def variance(self) -> Tensor:
        """The variance of every coordinate about the expectation, shape `(*batch, D)`."""
        cosine = self._angles.cos()
        mean = (self._masses * cosine).sum(-1, keepdim=True)
        along = (self._masses * (cosine - mean).square()).sum(-1, keepdim=True)
        across = (self._masses * self._angles.sin().square()).sum(-1, keepdim=True)
        squared = self.direction.square()
        return along * squared + across * (1 - squared) / (self.event_shape[0] - 1)

    @cached_property
    def _edges(self) -> Tensor:
        """Where the cells of the polar angle begin and end, shape `(*batch, CELLS + 1)`.

        The density of the angle t is `exp(k cos t) sin(t)^m`, with `m = D - 2`. It peaks where
        `k sin(t)^2 = m cos(t)`, and its curvature there is about `k^2 / a + a`, a being
        `k / cos(t)`. Cells get smaller to the ends, where that makes quadrature more exact.
        """
        m, k = self.event_shape[0] - 2, self.concentration.detach().unsqueeze(-1)
        a = ((m + (m * m + 4 * k.square()).sqrt()) / 2).clamp(min=1e-6)
        peak, spread = torch.atan2((m * a).sqrt(), k), (k.square() / a + a).rsqrt()
        low = (peak - REACH * spread).clamp(min=0)
        high = (peak + REACH * spread).clamp(max=math.pi)
        u = torch.linspace(0, 1, CELLS + 1, dtype=k.dtype, device=k.device)
        return low + (high - low) * u.square() * (3 - 2 * u)

    @cached_property
    def _angles(self) -> Tensor:
        """The middle of every cell, shape `(*batch, CELLS)`."""
        return (self._edges[..., 1:] + self._edges[..., :-1]) / 2

    @cached_property
    def _fall(self) -> Tensor:
        """`cos(t) - 1` in every cell, to full precision near 0."""
        return -2 * (self._angles / 2).sin().square()

    @cached_property
    def _log_masses(self) -> Tensor:
        """Logarithm of each cell's part of the integral of `exp(k (cos(t) - 1)) sin(t)^m`."""
        rim = (self.event_shape[0] - 2) * self._angles.sin().log()
        return self.concentration.unsqueeze(-1) * self._fall + rim + self._edges.diff(dim=-1).log()

    @cached_property
    def _masses(self) -> Tensor:
        """The probability of every cell, shape `(*batch, CELLS)`."""
        return self._log_masses.softmax(-1)

    @cached_property
    def _log_normalizer(self) -> Tensor:
        """Logarithm of the integral of `exp(k (direction . z - 1))` over the sphere."""
        return log_area(self.event_shape[0] - 1) + self._log_masses.logsumexp(-1)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape, mean = (*sample_shape, *self.direction.shape), self.direction
        noise = torch.randn(shape, dtype=mean.dtype, device=mean.device)
        # Tangents follow the direction as it turns, by parallel transport: a gradient that is as
        # exact as that of the projection, and bounded where the projection is short.
        fixed = mean.detach()
        across = F.normalize(noise - (noise * fixed).sum(-1, keepdim=True) * fixed, dim=-1)
        across = across - (across * mean).sum(-1, keepdim=True) * fixed
        angle = self._sample_angles(shape[:-1]).unsqueeze(-1)
        return angle.cos() * mean + angle.sin() * across

    def _sample_angles(self, shape: tuple[int, ...]) -> Tensor:
        """Polar angles by inversion of their cumulative distribution."""
        after = self._masses.cumsum(-1)
        u = torch.rand(shape, dtype=after.dtype, device=after.device)
        per_batch = u.reshape(-1, *self.batch_shape).movedim(0, -1).contiguous()
        cell = torch.searchsorted(after.detach(), per_batch).clamp(max=CELLS - 1)
        low, width = self._edges.gather(-1, cell), self._edges.diff(dim=-1).gather(-1, cell)
        mass = self._masses.gather(-1, cell)
        part = ((per_batch - after.gather(-1, cell)) / mass + 1).clamp(0, 1)
        return (low + width * part).movedim(-1, 0).reshape(shape)

    def log_prob(self, z: Tensor) -> Tensor:
        """`1 - direction . z` is half a squared distance, without loss of digits."""
        fall = -(z - self.direction).square().sum(-1) / 2
        return self.concentration * fall - self._log_normalizer

    def entropy(self) -> Tensor:
        expected_fall = (self._masses * self._fall).sum(-1)
        return self._log_normalizer - self.concentration * expected_fall


@register_kl(VonMisesFisher, UniformSphere)  # type: ignore[untyped-decorator]
def kl_to_uniform(q: VonMisesFisher, p: UniformSphere) -> Tensor:
    """`KL(q || p)` in nats, of the batch shape of q."""
    return log_area(p.event_shape[0]) - q.entropy()
