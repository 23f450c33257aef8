"""Estimates with their 95 % intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Z = 1.959964  # standard errors on each side of the middle of a 95 % interval
RESAMPLES = 200
DIGITS = 12  # of the ends of Wilson's interval: one that is 0 or 1 is not off by a rounding error


@dataclass(frozen=True)
class Estimate:
    """A figure of n images, and its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def share(hits: Tensor) -> Estimate:
    """The fraction of trues, shape `(N,)`, with Wilson's interval; 0 with [0, 1] if N is 0.

    References:
        Probable Inference, the Law of Succession, and Statistical Inference (Wilson, 1927),
            https://doi.org/10.1080/01621459.1927.10502953
    """
    n = len(hits)
    if not n:
        return Estimate(0.0, 0.0, 1.0, 0)
    p = hits.double().mean().item()
    middle = p + Z**2 / (2 * n)
    half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    scale = 1 + Z**2 / n
    low = round((middle - half) / scale, DIGITS)
    high = round((middle + half) / scale, DIGITS)
    return Estimate(p, max(0.0, low), min(1.0, high), n)


def resample(n: int, generator: torch.Generator) -> Tensor:
    """How often each of n images occurs in each bootstrap resample, shape `(RESAMPLES, n)`."""
    counts = torch.zeros(RESAMPLES, n, dtype=torch.float64)
    for row in counts:
        row += torch.bincount(torch.randint(n, (n,), generator=generator), minlength=n)
    return counts


def around(value: float, resampled: Tensor, n: int) -> Estimate:
    """A figure that is not negative, with 1.96 bootstrap standard errors to both sides.

    No quantiles: those of a figure that falls with n, such as the Frechet distance, lie above it,
    because a resample has fewer different images.

    References:
        Bootstrap Methods: Another Look at the Jackknife (Efron, 1979),
            https://doi.org/10.1214/aos/1176344552

    Args:
        value: The figure of all images.
        resampled: That of each resample, shape `(RESAMPLES,)`.
        n: Number of images.
    """
    half = Z * resampled.std().item()
    return Estimate(value, max(0.0, value - half), value + half, n)


def bootstrap(
    statistic: Callable[[Tensor], Tensor], n: int, generator: torch.Generator
) -> Estimate:
    """A figure of n images, with an interval from resamples of these images.

    Args:
        statistic: From the number of occurrences of each image, shape `(R, n)`, to the figure of
            each row, shape `(R,)`.
        n: Number of images.
        generator: Draws the resamples.
    """
    value = statistic(torch.ones(1, n, dtype=torch.float64)).item()
    return around(value, statistic(resample(n, generator)), n)


def bootstrap_mean(values: Tensor, generator: torch.Generator) -> Estimate:
    """The mean of values, shape `(N,)`."""
    values = values.double()
    return bootstrap(lambda counts: counts @ values / len(values), len(values), generator)
