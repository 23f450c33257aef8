"""Priors `p(z | c)`: modules that return a distribution over `(D,)` vectors."""

from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from .distributions import DiagonalNormal


@final
class StandardNormal(nn.Module):
    """`N(0, I)`.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    """

    zero: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        # A buffer, so that it follows the model to its device; rebuilt, so that no file holds it.
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        return DiagonalNormal(self.zero, self.zero)


PRIORS = {"normal": StandardNormal}
