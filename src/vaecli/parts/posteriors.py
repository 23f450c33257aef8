"""Approximate posteriors `q(z | x, c)`: modules that return a distribution over `(D,)` vectors."""

import abc
from typing import ClassVar, final

from torch import Tensor, nn
from torch.distributions import Distribution

from .distributions import DiagonalNormal
from .networks import MLPEncoder


class Posterior(nn.Module, abc.ABC):
    """An encoder, a linear head, and a family of distributions (the subclass).

    Args:
        encoder: Maps `(x, c)` to features, shape `(B, encoder.features)`.
        latent_dim: The number of latent dimensions D.
    """

    heads: ClassVar[int]  # numbers that the family needs for each latent dimension

    def __init__(self, encoder: MLPEncoder, latent_dim: int) -> None:
        super().__init__()
        self.encoder, self.latent_dim = encoder, latent_dim
        self.head = nn.Linear(encoder.features, self.heads * latent_dim)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        return self.distribution(*self.head(self.encoder(x, c)).chunk(self.heads, dim=-1))

    @abc.abstractmethod
    def distribution(self, *heads: Tensor) -> Distribution:
        """The distribution with these parameters, each of shape `(B, D)`."""


@final
class Gaussian(Posterior):
    """Normal with independent dimensions.

    The first half of the head is the mean, the second the log-variance.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    """

    heads = 2

    def distribution(self, *heads: Tensor) -> Distribution:
        mean, log_var = heads
        return DiagonalNormal(mean, log_var)


POSTERIORS = {"gaussian": Gaussian}
