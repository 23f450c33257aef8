"""Priors with parameters of their own, or of the posterior."""

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily

from ...config import Components, Layers, Units
from ...errors import ConfigError
from .. import flows, posteriors
from ..distributions import HierarchicalDistribution, clamped_normal
from ..hierarchies import Levels, TopDownNetwork, level_sizes
from ..posteriors import Ladder, Posterior
from .fixed import StandardNormal
from .prior import Prior


class Mixture(Prior):
    """A learned mixture of normals with independent dimensions.

    References:
        Deep Unsupervised Clustering with Gaussian Mixture Variational Autoencoders
            (Dilokthanakul et al., 2016), https://arxiv.org/abs/1611.02648
        Variational Deep Embedding (Jiang et al., 2017), https://arxiv.org/abs/1611.05148

    Args:
        components: Normals.
    """

    def __init__(self, latent_dim: int, components: Components = 10) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(components, latent_dim))
        self.log_var = nn.Parameter(torch.zeros(components, latent_dim))

    def forward(self, c: Tensor | None = None) -> Distribution:
        parts = clamped_normal(self.loc, self.log_var)
        return MixtureSameFamily(
            Categorical(logits=self.logits, validate_args=False), parts, validate_args=False
        )


class Vamp(Prior):
    """The mean of the posteriors of learned images, and of learned labels beside them.

    References:
        VAE with a VampPrior (Tomczak & Welling, 2018), https://arxiv.org/abs/1705.07120

    Args:
        components: Learned images.
    """

    def __init__(
        self,
        posterior: Posterior,
        shape: tuple[int, int, int],
        context: int,
        components: Components = 500,
    ) -> None:
        super().__init__()
        if not isinstance(posterior, posteriors.Gaussian):
            raise ConfigError("The vamp prior mixes gaussian posteriors: use --posterior gaussian.")
        self.posterior = (posterior,)  # in a tuple, since it is not the prior's to register
        self.images = nn.Parameter(torch.rand(components, *shape))
        self.labels = nn.Parameter(torch.randn(components, context)) if context else None

    def forward(self, c: Tensor | None = None) -> Distribution:
        labels = None if self.labels is None else self.labels.softmax(-1)
        parts = self.posterior[0](self.images.clamp(0, 1), labels)
        equal = Categorical(logits=self.images.new_zeros(len(self.images)), validate_args=False)
        return MixtureSameFamily(equal, parts, validate_args=False)


class Flow(Prior):
    """`N(0, I)` warped by affine couplings, which read the labels of a conditional model.

    References:
        Variational Lossy Autoencoder (Chen et al., 2017), https://arxiv.org/abs/1611.02731
        Density estimation using Real NVP (Dinh et al., 2017), https://arxiv.org/abs/1605.08803

    Args:
        depth: Couplings.
        width: Hidden units in each.
    """

    def __init__(self, latent_dim: int, context: int, depth: Layers = 4, width: Units = 64) -> None:
        super().__init__()
        self.base = StandardNormal(latent_dim)
        self.flow = flows.real_nvp(latent_dim, context, depth, width)

    def forward(self, c: Tensor | None = None) -> Distribution:
        base = self.base()
        return flows.FlowDistribution(
            base if c is None else base.expand(c.shape[:-1]), self.flow, c
        )


class Conditional(Prior):
    """A normal with independent dimensions for every label.

    References:
        Learning Structured Output Representation using Deep Conditional Generative Models (Sohn
            et al., 2015), https://papers.nips.cc/paper/5775
    """

    def __init__(self, latent_dim: int, context: int) -> None:
        super().__init__()
        if not context:
            raise ConfigError("The conditional prior reads labels: add --conditional.")
        # Labels are one-hot: hidden layers could do no more.
        self.head = nn.Linear(context, 2 * latent_dim)

    def forward(self, c: Tensor | None = None) -> Distribution:
        return clamped_normal(*self.head(c).chunk(2, dim=-1))


class Hierarchical(Prior):
    """Levels of normals, each given all levels above it; the first is `N(0, I)`.

    With the ladder posterior it shares the network between levels.

    References:
        Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282

    Args:
        levels: From 2 to 5; they share the latent dimensions evenly.
        width: Hidden units of the network between levels.
    """

    def __init__(
        self, latent_dim: int, posterior: Posterior, levels: Levels = 2, width: Units = 64
    ) -> None:
        super().__init__()
        sizes = level_sizes(latent_dim, levels)
        if isinstance(posterior, posteriors.Levelled) and posterior.sizes != sizes:
            raise ConfigError("Prior and posterior differ in levels: give both the same.")
        self.first = StandardNormal(sizes[0])
        if not isinstance(posterior, Ladder):
            top_down = self.own = TopDownNetwork(sizes, 0, width)
        elif posterior.top_down.width == width:
            top_down = posterior.top_down
        else:
            raise ConfigError("Ladder and prior share a network: give both the same width.")
        self.top_down = (top_down,)  # in a tuple, since that of the ladder is not its own

    def forward(self, c: Tensor | None = None) -> Distribution:
        (top_down,) = self.top_down
        return HierarchicalDistribution(self.first(), top_down.conditionals(), top_down.sizes)
