"""What the encoder gives for an image: the parameters of its posterior, by the posterior's kind."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from torch import Tensor
from torch.distributions import Distribution

from ..parts.distributions import Delta, DiagonalNormal, QuantizedPointMass
from ..parts.posteriors import (
    DiracPosterior,
    FlowPosterior,
    GaussianPosterior,
    MultiLevelPosterior,
    QuantizedPosterior,
    VonMisesFisherPosterior,
)
from ..parts.spheres import VonMisesFisher


class Output(NamedTuple):
    """An output of the encoder.

    Attributes:
        name: Its name.
        meaning: What it holds, in one sentence.
        read: Computes it from the posterior.
    """

    name: str
    meaning: str
    read: Callable[[Distribution], Tensor]


def _normal(q: Distribution) -> DiagonalNormal:
    return cast(DiagonalNormal, q)


MEAN_AND_VARIANCE = (
    Output("mean", "Mean of the posterior, as vaecli embed saves it.", lambda q: _normal(q).loc),
    Output(
        "log_variance",
        "Natural logarithm of the variance of each dimension.",
        lambda q: _normal(q).log_var,
    ),
)

# What the encoder gives, by the kind of the posterior.
ENCODED: dict[Any, tuple[Output, ...]] = {  # classes, some of them abstract
    GaussianPosterior: MEAN_AND_VARIANCE,
    DiracPosterior: (
        Output(
            "latent",
            "The latent; the posterior is this single point and has no variance.",
            lambda q: cast(Delta, q).value,
        ),
    ),
    QuantizedPosterior: (
        Output(
            "latent",
            "The quantized latent: at every position the sum of its codes.",
            lambda q: cast(QuantizedPointMass, q).value,
        ),
        Output(
            "codes",
            "Index of the code of each codebook at each position.",
            lambda q: cast(QuantizedPointMass, q).codes,
        ),
    ),
    VonMisesFisherPosterior: (
        Output(
            "direction",
            "Mean direction on the unit sphere, a latent.",
            lambda q: cast(VonMisesFisher, q).direction,
        ),
        Output(
            "concentration",
            "Concentration about the direction; there is no variance of each dimension.",
            lambda q: cast(VonMisesFisher, q).concentration,
        ),
    ),
    FlowPosterior: (
        Output(
            "mean",
            "The mean of the Gaussian, mapped by the flow: a typical latent, not the expectation.",
            lambda q: q.mean,
        ),
        Output(
            "log_variance",
            "Natural logarithm of the variance of each dimension, to first order of the flow.",
            lambda q: q.variance.log(),
        ),
    ),
    MultiLevelPosterior: (
        Output("mean", "The mean of every level, given the means above it.", lambda q: q.mean),
        Output(
            "log_variance",
            "Natural logarithm of the variance of every level, given the means above it.",
            lambda q: q.variance.log(),
        ),
    ),
}
