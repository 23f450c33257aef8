"""Distributions on the unit sphere of R^D, `D >= 2`: uniform and von Mises-Fisher."""

import math
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import register_kl

from ..system.errors import ConfigError
from ..system.processes import draw
from .distributions import UnvalidatedDistribution, normal_noise

MAX_CONCENTRATION = 1e5
QUADRATURE_CELLS = 512  # cells of the polar angle; normalizer and samples are exact to 1e-5
QUADRATURE_REACH = 12.0  # standard deviations that the cells cover on each side of the peak


def require_sphere(latent_dim: int) -> None:
    """Raise a `ConfigError` if the unit sphere has only two points, in one dimension."""
    if latent_dim < 2:
        raise ConfigError(f"Latents on a sphere need latent_dim=2 or more, not {latent_dim}.")


def log_area(dim: int) -> float:
    """Logarithm of the area of the unit sphere in R^dim."""
    return math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)


class UniformSphere(UnvalidatedDistribution):
    """The uniform distribution on the unit sphere; its density is per unit of area.

    Args:
        like: Any tensor of shape `(*batch, D)`; samples have its device and type.
    """

    def __init__(self, like: Tensor) -> None:
        super().__init__(like.shape[:-1], like.shape[-1:])
        self.like = like

    def expand(self, batch_shape: Any, _instance: None = None) -> "UniformSphere":
        return UniformSphere(self.like.expand(*batch_shape, *self.event_shape))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return F.normalize(normal_noise((*sample_shape, *self.like.shape), self.like), dim=-1)

    def log_prob(self, z: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(z.shape, self.like.shape)[:-1]
        return z.new_full(shape, -log_area(self.event_shape[0]))


class VonMisesFisher(UnvalidatedDistribution):
    """The density on the unit sphere that is proportional to `exp(concentration * direction . z)`.

    The polar angle is the angle between z and the direction. Everything that depends on it is
    computed by quadrature, over cells around the peak of its density. The sum over the cells is the
    normalizer; angles are sampled by inverting their cumulative sum. Both are differentiable in the
    concentration.

    Args:
        direction: Unit vectors, shape `(*batch, D)`, `D >= 2`.
        concentration: 0 or more, shape `batch`; with 0 the density is uniform.
    """

    def __init__(self, direction: Tensor, concentration: Tensor) -> None:
        super().__init__(direction.shape[:-1], direction.shape[-1:])
        self.direction = direction
        self.concentration = concentration

    @property
    def mean(self) -> Tensor:
        """The direction. The expectation lies inside the sphere and is no latent."""
        return self.direction

    @property
    def variance(self) -> Tensor:
        """The variance of every coordinate about the expectation, shape `(*batch, D)`."""
        cosine = self._angles.cos()
        mean = (self._masses * cosine).sum(-1, keepdim=True)
        radial = (self._masses * (cosine - mean).square()).sum(-1, keepdim=True)
        tangential = (self._masses * self._angles.sin().square()).sum(-1, keepdim=True)
        squared = self.direction.square()
        return radial * squared + tangential * (1 - squared) / (self.event_shape[0] - 1)

    @cached_property
    def _edges(self) -> Tensor:
        """The edges of the cells of the polar angle, shape `(*batch, QUADRATURE_CELLS + 1)`.

        The density of the angle t is `exp(k cos t) sin(t)^m`, with `m = D - 2`. It peaks where
        `k sin(t)^2 = m cos(t)`, and its curvature there is about `k^2 / a + a`, where
        `a = k / cos(t)`. Cells are smaller towards both ends, which makes quadrature more exact.
        """
        m = self.event_shape[0] - 2
        k = self.concentration.detach().unsqueeze(-1)
        a = ((m + (m * m + 4 * k.square()).sqrt()) / 2).clamp(min=1e-6)
        peak = torch.atan2((m * a).sqrt(), k)
        spread = (k.square() / a + a).rsqrt()
        low = (peak - QUADRATURE_REACH * spread).clamp(min=0)
        high = (peak + QUADRATURE_REACH * spread).clamp(max=math.pi)
        u = torch.linspace(0, 1, QUADRATURE_CELLS + 1, dtype=k.dtype, device=k.device)
        return low + (high - low) * u.square() * (3 - 2 * u)

    @cached_property
    def _angles(self) -> Tensor:
        """The middle of every cell, shape `(*batch, QUADRATURE_CELLS)`."""
        return (self._edges[..., 1:] + self._edges[..., :-1]) / 2

    @cached_property
    def _cos_minus_one(self) -> Tensor:
        """`cos(t) - 1` in every cell, to full precision near 0."""
        return -2 * (self._angles / 2).sin().square()

    @cached_property
    def _log_masses(self) -> Tensor:
        """Logarithm of the integral of `exp(k (cos(t) - 1)) sin(t)^m` over each cell."""
        log_sines = (self.event_shape[0] - 2) * self._angles.sin().log()
        exponent = self.concentration.unsqueeze(-1) * self._cos_minus_one
        return exponent + log_sines + self._edges.diff(dim=-1).log()

    @cached_property
    def _masses(self) -> Tensor:
        """The probability of every cell, shape `(*batch, QUADRATURE_CELLS)`."""
        return self._log_masses.softmax(-1)

    @cached_property
    def _log_normalizer(self) -> Tensor:
        """Logarithm of the integral of `exp(k (direction . z - 1))` over the sphere."""
        return log_area(self.event_shape[0] - 1) + self._log_masses.logsumexp(-1)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = (*sample_shape, *self.direction.shape)
        direction = self.direction
        noise = normal_noise(shape, direction)
        # The gradient of the tangent is that of parallel transport along the sphere as the
        # direction changes. The gradient of the projected noise would be as exact, but is unbounded
        # where the projection is short.
        fixed = direction.detach()
        tangent = F.normalize(noise - (noise * fixed).sum(-1, keepdim=True) * fixed, dim=-1)
        tangent = tangent - (tangent * direction).sum(-1, keepdim=True) * fixed
        angle = self._sample_angles(shape[:-1]).unsqueeze(-1)
        return angle.cos() * direction + angle.sin() * tangent

    def _sample_angles(self, shape: tuple[int, ...]) -> Tensor:
        """Polar angles by inversion of their cumulative distribution."""
        cumulative = self._masses.cumsum(-1)
        dtype = cumulative.dtype
        u = draw(lambda s: torch.rand(s, dtype=dtype, device=cumulative.device), shape, -1)
        per_batch = u.reshape(-1, *self.batch_shape).movedim(0, -1).contiguous()
        cell = torch.searchsorted(cumulative.detach(), per_batch).clamp(max=QUADRATURE_CELLS - 1)
        low = self._edges.gather(-1, cell)
        width = self._edges.diff(dim=-1).gather(-1, cell)
        mass = self._masses.gather(-1, cell)
        fraction = ((per_batch - cumulative.gather(-1, cell)) / mass + 1).clamp(0, 1)
        return (low + width * fraction).movedim(-1, 0).reshape(shape)

    def log_prob(self, z: Tensor) -> Tensor:
        # half a squared distance, which is more accurate than direction . z - 1
        cos_minus_one = -(z - self.direction).square().sum(-1) / 2
        return self.concentration * cos_minus_one - self._log_normalizer

    def entropy(self) -> Tensor:
        expected_cos_minus_one = (self._masses * self._cos_minus_one).sum(-1)
        return self._log_normalizer - self.concentration * expected_cos_minus_one


@register_kl(VonMisesFisher, UniformSphere)  # type: ignore[untyped-decorator]
def kl_to_uniform(q: VonMisesFisher, p: UniformSphere) -> Tensor:
    """`KL(q || p)` in nats, of the batch shape of q."""
    return log_area(p.event_shape[0]) - q.entropy()
