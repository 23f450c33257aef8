"""Distributions over latent vectors that `torch.distributions` lacks, or computes too slowly."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, register_kl

from ..system.processes import draw

LOG_VAR_LIMIT = 20.0  # log-variances from networks are clamped to [-20, 20]: exp stays finite

Origin = TypeVar("Origin")


def normal_noise(shape: Sequence[int], like: Tensor) -> Tensor:
    """Standard normal noise for the latents of a batch, of which each process has its rows.

    Args:
        shape: Shape of the noise, `(..., B, D)`.
        like: A tensor with its type and device.
    """
    return draw(lambda whole: torch.randn(whole, dtype=like.dtype, device=like.device), shape, -2)


class UnvalidatedDistribution(Distribution):
    """Base class without validation of arguments, which would take time in every batch."""

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, batch_shape: Sequence[int], event_shape: Sequence[int] = ()) -> None:
        super().__init__(torch.Size(batch_shape), torch.Size(event_shape), validate_args=False)


class SampleCache(Generic[Origin]):
    """Keeps the last sample of a distribution, and what it was computed from.

    The density of the last sample then needs no inversion of a flow and no second run of a network.
    As in torch's transforms with `cache_size=1`, the sample is recognized by identity: another
    tensor with the same values is not found.
    """

    def __init__(self) -> None:
        self._last: tuple[Tensor, Origin] | None = None

    def store(self, sample: Tensor, origin: Origin) -> None:
        """Keep this sample in place of the last."""
        self._last = (sample, origin)

    def find(self, z: Tensor) -> Origin | None:
        """What z was computed from, or None if it is not the last sample."""
        if self._last is None or self._last[0] is not z:
            return None
        return self._last[1]


class DiagonalNormal(UnvalidatedDistribution):
    """Diagonal Gaussian, given by mean and log-variance.

    Encoders output a log-variance, and the density needs one. torch's `Normal` would have to
    convert it to a standard deviation and back.

    Args:
        loc: Mean, shape `(*batch, D)`.
        log_var: Logarithm of the variance, shape `(*batch, D)`.
    """

    def __init__(self, loc: Tensor, log_var: Tensor) -> None:
        super().__init__(loc.shape[:-1], loc.shape[-1:])
        self.loc = loc
        self.log_var = log_var

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
        noise = normal_noise((*sample_shape, *self.loc.shape), self.loc)
        return self.loc + (self.log_var / 2).exp() * noise

    def log_prob(self, z: Tensor) -> Tensor:
        squared = (z - self.loc).square() * (-self.log_var).exp()
        return -0.5 * (squared + self.log_var + math.log(2 * math.pi)).sum(-1)

    def entropy(self) -> Tensor:
        return 0.5 * (self.log_var + math.log(2 * math.pi) + 1).sum(-1)


class StandardNormal(DiagonalNormal):
    """`N(0, I)`, a class of its own, because the KL divergence to it has a shorter formula.

    Args:
        zero: Zeros, shape `(D,)`.
    """

    def __init__(self, zero: Tensor) -> None:
        super().__init__(zero, zero)


def clamped_normal(mean: Tensor, log_var: Tensor) -> DiagonalNormal:
    """Diagonal Gaussian from the outputs of a network, with log-variance clamped to [-20, 20].

    Training that does not diverge needs a far smaller range of standard deviations than the 5e-5 to
    2e4 that this allows. If it diverges, the loss shows it; no infinite variance arises here.
    """
    # hardtanh is clamp with a cheaper gradient
    return DiagonalNormal(mean, F.hardtanh(log_var, -LOG_VAR_LIMIT, LOG_VAR_LIMIT))


@register_kl(DiagonalNormal, DiagonalNormal)  # type: ignore[untyped-decorator]
def kl_diagonal_normals(q: DiagonalNormal, p: DiagonalNormal) -> Tensor:
    """`KL(q || p)` in nats, of the broadcast batch shape."""
    squared = (q.loc - p.loc).square() + q.log_var.exp()
    return 0.5 * (squared * (-p.log_var).exp() + p.log_var - q.log_var - 1).sum(-1)


@register_kl(DiagonalNormal, StandardNormal)  # type: ignore[untyped-decorator]
def kl_standard_normal(q: DiagonalNormal, p: StandardNormal) -> Tensor:
    """`KL(q || N(0, I))` in nats, of the batch shape of q."""
    return 0.5 * (q.loc.square() + q.log_var.exp() - q.log_var - 1).sum(-1)


class PointMass(UnvalidatedDistribution):
    """All mass at one point, with log-density 0 there; the subclasses say why it is 0.

    Args:
        value: Location, shape `(*batch, D)`.
    """

    def __init__(self, value: Tensor) -> None:
        super().__init__(value.shape[:-1], value.shape[-1:])
        self.value = value

    @property
    def mean(self) -> Tensor:
        return self.value

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.value)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.value.expand(*sample_shape, *self.value.shape)

    def log_prob(self, z: Tensor) -> Tensor:
        return z.new_zeros(z.shape[:-1])


class Delta(PointMass):
    """The code of a deterministic encoder, with density 1 by convention.

    The convention drops the entropy, which is minus infinity: of the rate only `-log p(z)` is left.

    Args:
        value: Location, shape `(*batch, D)`.
    """


class QuantizedPointMass(PointMass):
    """One of finitely many codewords: it has probability 1, so that 0 is its log-probability.

    Args:
        value: The codeword, shape `(*batch, D)`.
        vq_loss: Codebook and commitment loss, in nats, shape `batch`; every objective adds it.
        codes: Index of every code, shape `(*batch, positions, levels)`.
    """

    def __init__(self, value: Tensor, vq_loss: Tensor, codes: Tensor) -> None:
        super().__init__(value)
        self.vq_loss = vq_loss
        self.codes = codes


class HierarchicalDistribution(UnvalidatedDistribution):
    """The joint distribution `p(z_1) p(z_2 | z_1) ... p(z_L | z_1 ... z_(L-1))` of all levels.

    z_1 is the top level; many papers number from the bottom. The levels are concatenated to a
    single latent, so that every objective and every command works with a hierarchical model.

    Args:
        first: Distribution of z_1, event shape `(D_1,)`.
        conditionals: For each further level, a function from all levels above it, concatenated, to
            its distribution.
        sizes: `D_1, ..., D_L`.
    """

    def __init__(
        self,
        first: Distribution,
        conditionals: Sequence[Callable[[Tensor], Distribution]],
        sizes: Sequence[int],
    ) -> None:
        super().__init__(first.batch_shape, [sum(sizes)])
        self.first = first
        self.conditionals = conditionals
        self.sizes = sizes
        self._samples: SampleCache[list[Distribution]] = SampleCache()

    @property
    def mean(self) -> Tensor:
        """The mean of every level, given the means above it."""
        return self._ancestral_pass(lambda level: level.mean)[0]

    @property
    def variance(self) -> Tensor:
        """The variance of every level, given the means above it."""
        _, levels = self._ancestral_pass(lambda level: level.mean)
        return torch.cat([level.variance for level in levels], dim=-1)

    def expand(self, batch_shape: Any, _instance: None = None) -> "HierarchicalDistribution":
        first = self.first.expand(batch_shape)
        return HierarchicalDistribution(first, self.conditionals, self.sizes)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        def draw(level: Distribution) -> Tensor:
            # lower levels have the sample shape already, from the levels above them
            return level.rsample(sample_shape if level is self.first else ())

        z, levels = self._ancestral_pass(draw)
        self._samples.store(z, levels)
        return z

    def log_prob(self, z: Tensor) -> Tensor:
        """The log-density; for the last sample, the levels are not computed again."""
        parts = z.split(list(self.sizes), dim=-1)
        levels = self._samples.find(z)
        if levels is None:
            above = [torch.cat(parts[:n], dim=-1) for n in range(1, len(parts))]
            pairs = zip(self.conditionals, above, strict=True)
            levels = [self.first, *(conditional(upper) for conditional, upper in pairs)]
        log_probs = [level.log_prob(part) for level, part in zip(levels, parts, strict=True)]
        return torch.stack(log_probs).sum(0)

    def _ancestral_pass(
        self, pick: Callable[[Distribution], Tensor]
    ) -> tuple[Tensor, list[Distribution]]:
        """Pick a value of each level, top first; returns their concatenation, and the levels."""
        levels = [self.first]
        z = pick(self.first)
        for conditional in self.conditionals:
            levels.append(conditional(z))
            z = torch.cat([z, pick(levels[-1])], dim=-1)
        return z, levels
