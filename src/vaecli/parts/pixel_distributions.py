"""Distributions of one pixel in [0, 1] that `torch.distributions` lacks, or holds too slowly."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .distributions import UnvalidatedDistribution

LEVELS = 256  # of grey, from 0 to 1 in equal steps


class Bernoulli(UnvalidatedDistribution):
    """White with probability sigmoid(logits), else black; a grey pixel is scored by its share.

    torch's class takes half as long again, a twentieth of a training step of the default model.

    Args:
        logits: Any shape.
    """

    def __init__(self, logits: Tensor) -> None:
        super().__init__(logits.shape)
        self.logits = logits

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.addcmul(F.logsigmoid(self.logits), x - 1, self.logits)

    @property
    def mean(self) -> Tensor:
        return self.logits.sigmoid()


class ContinuousBernoulli(UnvalidatedDistribution):
    """Density `a exp(a x) / (exp(a) - 1)` on [0, 1].

    torch's takes probabilities, which beyond logits of 16 are 0 or 1 in float32: its density then
    no longer integrates to one.

    References:
        The continuous Bernoulli (Loaiza-Ganem & Cunningham, 2019),
            https://arxiv.org/abs/1907.06845

    Args:
        logits: The number a, any shape.
    """

    def __init__(self, logits: Tensor) -> None:
        super().__init__(logits.shape)
        self.logits = logits

    def log_prob(self, x: Tensor) -> Tensor:
        a, t, near = self._split()
        # log((exp(a) - 1) / a) - a / 2, which is even in a; near 0 by its series
        far = t / 2 + torch.log(-torch.expm1(-t)) - t.log()
        squared = a.square()
        series = squared / 24 - squared.square() / 2880
        return a * (x - 0.5) - torch.where(near, series, far)

    @property
    def mean(self) -> Tensor:
        a, t, near = self._split()
        far = a.sign() * (0.5 + 1 / torch.expm1(t) - 1 / t)
        return 0.5 + torch.where(near, a / 12 - a**3 / 720, far)

    def _split(self) -> tuple[Tensor, Tensor, Tensor]:
        """The logits, their size, and whether it is too small to divide by: 1 stands for it."""
        near = self.logits.abs() < 0.2
        return self.logits, self.logits.abs().masked_fill(near, 1), near


class DiscretizedLogistic(UnvalidatedDistribution):
    """The grey level nearest to a logistic variable; levels 0 and 255 take the tails.

    References:
        Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
            https://arxiv.org/abs/1606.04934
        PixelCNN++ (Salimans et al., 2017), https://arxiv.org/abs/1701.05517

    Args:
        loc: Any shape.
        scale: The shape of loc.
    """

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        super().__init__(loc.shape)
        self.loc, self.scale = loc, scale

    def log_prob(self, x: Tensor) -> Tensor:
        """Logarithm of the probability of the level nearest to x.

        With F the logistic function and u > v, `F(u) - F(v) = F(u) F(-v) (1 - exp(v - u))`, of
        which no factor loses digits.
        """
        level = (x * (LEVELS - 1)).round()
        step = 1 / ((LEVELS - 1) * self.scale)
        above = ((level + 0.5) / (LEVELS - 1) - self.loc) / self.scale
        below = ((level - 0.5) / (LEVELS - 1) - self.loc) / self.scale
        first, last = level <= 0, level >= LEVELS - 1
        log_under = F.logsigmoid(above).masked_fill(last, 0)
        log_over = F.logsigmoid(-below).masked_fill(first, 0)
        return log_under + log_over + torch.log(-torch.expm1(-step)).masked_fill(first | last, 0)

    @property
    def mean(self) -> Tensor:
        """That of the variable held to [0, 1]: within half a level of that of its level."""
        return self.scale * (
            F.softplus(self.loc / self.scale) - F.softplus((self.loc - 1) / self.scale)
        )
