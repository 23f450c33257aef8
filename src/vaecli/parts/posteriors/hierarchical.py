"""Posteriors with several levels of latents."""

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..distributions import HierarchicalDistribution, clamped_normal
from ..encoder_decoder import Encoder
from ..hierarchies import Levels, TopDownNetwork, level_sizes, precision_weighted_product
from ..ranges import Units
from .posterior import Posterior


class MultiLevelPosterior(Posterior):
    """Base class: several levels of diagonal Gaussians, with a top-down network between them.

    The decoder reads all levels.

    Args:
        encoder: Maps `(x, c)` to features, as for every posterior.
        latent_dim: Latent dimensions of all levels together.
        levels: Number of levels, 2 to 5; they share the latent dimensions evenly.
        width: Hidden units of the top-down network.

    Attributes:
        features_per_dim: How many outputs of the head the top-down network reads for each latent
            dimension, in addition to the upper levels; with 0 it reads only those.
        sizes: Latent dimensions of each level.
    """

    params_per_dim = 2
    features_per_dim: ClassVar[int]

    def __init__(
        self,
        encoder: Encoder,
        latent_dim: int,
        levels: Levels = 2,
        width: Units = 64,
    ) -> None:
        super().__init__(encoder, latent_dim)
        self.sizes = level_sizes(latent_dim, levels)
        self.top_down = TopDownNetwork(self.sizes, self.features_per_dim * latent_dim, width)


class HierarchicalPosterior(MultiLevelPosterior):
    """Several levels of diagonal Gaussians, each conditioned on the image and all upper levels.

    The decoder reads all levels.

    References:
        VAE with a VampPrior (Tomczak & Welling, 2018), https://arxiv.org/abs/1705.07120
        Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282

    Args:
        levels: Number of levels, 2 to 5; they share the latent dimensions evenly.
        width: Hidden units of the top-down network.
    """

    features_per_dim = 2

    def distribution(self, *params: Tensor) -> Distribution:
        mean, log_var = params
        top = self.sizes[0]
        first = clamped_normal(mean[..., :top], log_var[..., :top])
        conditionals = self.top_down.conditionals(torch.cat(params, dim=-1))
        return HierarchicalDistribution(first, conditionals, self.sizes)


class LadderPosterior(MultiLevelPosterior):
    """Several levels of Gaussians that combine encoder and prior, weighted by precision.

    Unlike the paper, all levels read the last layer of the encoder. The top-down network is shared
    with the hierarchical prior. The decoder reads all levels.

    References:
        Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282

    Args:
        levels: Number of levels, 2 to 5; they share the latent dimensions evenly.
        width: Hidden units of the top-down network.
    """

    features_per_dim = 0

    def distribution(self, *params: Tensor) -> Distribution:
        mean, log_var = params
        levels = zip(mean.split(self.sizes, -1), log_var.split(self.sizes, -1), strict=True)
        first, *lower = [clamped_normal(*level) for level in levels]
        pairs = zip(lower, self.top_down.conditionals(), strict=True)
        conditionals = [partial(precision_weighted_product, q, p) for q, p in pairs]
        return HierarchicalDistribution(first, conditionals, self.sizes)
