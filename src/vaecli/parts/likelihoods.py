"""Likelihoods `p(x | z, c)`: modules that return a distribution over images `(C, H, W)`."""

import abc
from typing import final

import torch.distributions as dist
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from .networks import MLPDecoder


class Likelihood(nn.Module, abc.ABC):
    """A decoder and a family of pixel distributions (the subclass).

    Args:
        decoder: Maps `(z, c)`, with z of shape `(N, D)`, to maps, shape `(N, C, H, W)`.
    """

    def __init__(self, decoder: MLPDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        """Decode latents, shape `(*batch, D)`; c, shape `(B, E)`, broadcasts on the left."""
        batch = z.shape[:-1]
        if c is not None:
            c = c.expand(*batch, -1).flatten(0, -2)
        maps = self.decoder(z.flatten(0, -2), c).unflatten(0, batch)
        return Independent(self.pixels(maps), 3, validate_args=False)

    @abc.abstractmethod
    def pixels(self, maps: Tensor) -> Distribution:
        """The distribution of every pixel, from maps of shape `(*batch, C, H, W)`."""


@final
class Bernoulli(Likelihood):
    """Pixels that are 0 or 1, from their logits.

    A grey pixel x in [0, 1] is scored by the same formula, as if it were x of a white and 1 - x of
    a black one. That is a loss, not a likelihood: compare it with itself only.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    """

    def pixels(self, maps: Tensor) -> Distribution:
        return dist.Bernoulli(logits=maps, validate_args=False)


LIKELIHOODS = {"bernoulli": Bernoulli}
