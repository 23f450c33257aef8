"""Distributions over latent vectors that `torch.distributions` lacks, or holds too slowly."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, register_kl

LARGEST_LOG_VAR = 20.0  # an emitted log-variance is held within [-20, 20]: its exp is finite


class Unchecked(Distribution):
    """A distribution that checks none of its arguments: it is made anew for every batch."""

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, batch_shape: Sequence[int], event_shape: Sequence[int] = ()) -> None:
        super().__init__(torch.Size(batch_shape), torch.Size(event_shape), validate_args=False)


class DiagonalNormal(Unchecked):
    """Normal with independent dimensions, held as mean and log-variance.

    What an encoder emits is what the densities need: no scale is taken to logarithms and back.

    Args:
        loc: Mean, shape `(*batch, D)`.
        log_var: Logarithm of the variance, shape `(*batch, D)`.
    """

    def __init__(self, loc: Tensor, log_var: Tensor) -> None:
        super().__init__(loc.shape[:-1], loc.shape[-1:])
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


class StandardNormal(DiagonalNormal):
    """`N(0, I)`, a class of its own for its shorter KL.

    Args:
        zero: Zeros, shape `(D,)`.
    """

    def __init__(self, zero: Tensor) -> None:
        super().__init__(zero, zero)


def bounded_normal(mean: Tensor, log_var: Tensor) -> DiagonalNormal:
    """The normal of what a network emits, whose log-variance is cut to [-20, 20].

    No healthy training comes near: that is a spread from 5e-5 to 2e4. A network that diverges is
    seen by its loss, and not by an infinity made here.
    """
    # clamp by its other name, whose gradient is one operation and not five
    return DiagonalNormal(mean, F.hardtanh(log_var, -LARGEST_LOG_VAR, LARGEST_LOG_VAR))


@register_kl(DiagonalNormal, DiagonalNormal)  # type: ignore[untyped-decorator]
def kl_diagonal_normals(q: DiagonalNormal, p: DiagonalNormal) -> Tensor:
    """`KL(q || p)` in nats, of the broadcast batch shape."""
    squared = (q.loc - p.loc).square() + q.log_var.exp()
    return 0.5 * (squared * (-p.log_var).exp() + p.log_var - q.log_var - 1).sum(-1)


@register_kl(DiagonalNormal, StandardNormal)  # type: ignore[untyped-decorator]
def kl_standard_normal(q: DiagonalNormal, p: StandardNormal) -> Tensor:
    """`KL(q || N(0, I))` in nats, of the batch shape of q."""
    return 0.5 * (q.loc.square() + q.log_var.exp() - q.log_var - 1).sum(-1)


class Delta(Unchecked):
    """A point mass at `value`, with density 1 there by convention.

    The convention drops the infinite entropy of a deterministic encoder, so that `-log p(z)` is
    what is left of a rate.

    Args:
        value: Location, shape `(*batch, D)`.
        penalty: A term, in nats, shape `batch`, that every objective adds to its loss.
        discrete: The point is one of finitely many, and the convention is exact: a mass of 1.
    """

    def __init__(
        self, value: Tensor, penalty: Tensor | None = None, discrete: bool = False
    ) -> None:
        super().__init__(value.shape[:-1], value.shape[-1:])
        self.value, self.penalty, self.discrete = value, penalty, discrete

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


class Chain(Unchecked):
    """The joint distribution `p(z_1) p(z_2 | z_1) ... p(z_L | z_1 ... z_(L-1))` of one vector.

    It makes a hierarchy look like a single latent, so that a hierarchical model needs no objective
    and no sampling of its own.

    Args:
        first: The distribution of z_1, event shape `(D_1,)`.
        rest: For each further level, from all levels above it, concatenated, to its distribution.
        sizes: `D_1, ..., D_L`.
    """

    def __init__(
        self,
        first: Distribution,
        rest: Sequence[Callable[[Tensor], Distribution]],
        sizes: Sequence[int],
    ) -> None:
        super().__init__(first.batch_shape, [sum(sizes)])
        self.first, self.rest, self.sizes = first, rest, sizes
        self._drawn: tuple[Tensor, list[Distribution]] | None = None

    @property
    def mean(self) -> Tensor:
        """The mean of every level, given the means above it."""
        return self._descend(lambda level: level.mean)[0]

    @property
    def variance(self) -> Tensor:
        """The variance of every level, given the means above it."""
        levels = self._descend(lambda level: level.mean)[1]
        return torch.cat([level.variance for level in levels], dim=-1)

    def expand(self, batch_shape: Any, _instance: None = None) -> "Chain":
        return Chain(self.first.expand(batch_shape), self.rest, self.sizes)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        # The levels below the first have the sample shape already, in what is above them.
        z, levels = self._descend(
            lambda level: level.rsample(sample_shape if level is self.first else ())
        )
        self._drawn = z, levels
        return z

    def log_prob(self, z: Tensor) -> Tensor:
        """The log-density; that of the last sample reuses the levels it was drawn from."""
        parts = z.split(list(self.sizes), dim=-1)
        if self._drawn and self._drawn[0] is z:
            levels = self._drawn[1]
        else:
            above = [torch.cat(parts[:n], dim=-1) for n in range(1, len(parts))]
            given = zip(self.rest, above, strict=True)
            levels = [self.first, *(level(z) for level, z in given)]
        pairs = zip(levels, parts, strict=True)
        return torch.stack([level.log_prob(part) for level, part in pairs]).sum(0)

    def _descend(self, pick: Callable[[Distribution], Tensor]) -> tuple[Tensor, list[Distribution]]:
        """The vector made by picking a value at every level in turn, and the levels."""
        levels, z = [self.first], pick(self.first)
        for level in self.rest:
            levels.append(level(z))
            z = torch.cat([z, pick(levels[-1])], dim=-1)
        return z, levels
