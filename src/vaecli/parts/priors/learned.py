"""Priors with learned parameters, their own or shared with the posterior."""

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily

from ...system.errors import ConfigError
from ...system.processes import compute_alike
from .. import flows
from ..distributions import HierarchicalDistribution, clamped_normal
from ..hierarchies import Levels, TopDownNetwork, level_sizes
from ..posteriors import GaussianPosterior, LadderPosterior, MultiLevelPosterior, Posterior
from ..ranges import Components, Layers, Units
from .fixed import StandardNormalPrior
from .prior import Prior, Unregistered


class MixturePrior(Prior):
    """A learned mixture of diagonal Gaussians.

    References:
        Variational Deep Embedding: An Unsupervised and Generative Approach to Clustering (Jiang
            et al., 2017), https://arxiv.org/abs/1611.05148

    Args:
        components: Number of Gaussians.
    """

    def __init__(self, latent_dim: int, components: Components = 10) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(components, latent_dim))
        self.log_var = nn.Parameter(torch.zeros(components, latent_dim))

    def forward(self, c: Tensor | None = None) -> Distribution:
        normals = clamped_normal(self.loc, self.log_var)
        weights = Categorical(logits=self.logits, validate_args=False)
        return MixtureSameFamily(weights, normals, validate_args=False)


class VampPrior(Prior):
    """Equal mixture of the posteriors of learned pseudo-inputs.

    In a conditional model every pseudo-input has a learned label.

    References:
        VAE with a VampPrior (Tomczak & Welling, 2018), https://arxiv.org/abs/1705.07120

    Args:
        components: Number of pseudo-inputs.
    """

    def __init__(
        self,
        posterior: Posterior,
        shape: tuple[int, int, int],
        context_dim: int,
        components: Components = 500,
    ) -> None:
        super().__init__()
        if not isinstance(posterior, GaussianPosterior):
            raise ConfigError("The vamp prior mixes gaussian posteriors: use posterior='gaussian'.")
        self.posterior = Unregistered(posterior)
        self.pseudo_inputs = nn.Parameter(torch.rand(components, *shape))
        self.pseudo_labels: nn.Parameter | None = None
        if context_dim:
            self.pseudo_labels = nn.Parameter(torch.randn(components, context_dim))

    def forward(self, c: Tensor | None = None) -> Distribution:
        labels = None if self.pseudo_labels is None else self.pseudo_labels.softmax(-1)
        with compute_alike():  # batch norm is over the pseudo-inputs, which all processes have
            posteriors = self.posterior.module(self.pseudo_inputs.clamp(0, 1), labels)
        logits = self.pseudo_inputs.new_zeros(len(self.pseudo_inputs))
        equal = Categorical(logits=logits, validate_args=False)
        return MixtureSameFamily(equal, posteriors, validate_args=False)


class FlowPrior(Prior):
    """`N(0, I)` transformed by Real NVP couplings, conditioned on the label if the model is.

    References:
        On the Necessity and Effectiveness of Learning the Prior of Variational Auto-Encoder (Xu
            et al., 2019), https://arxiv.org/abs/1905.13452
        Density estimation using Real NVP (Dinh et al., 2017), https://arxiv.org/abs/1605.08803

    Args:
        depth: Number of couplings.
        width: Hidden units in each.
    """

    def __init__(
        self, latent_dim: int, context_dim: int, depth: Layers = 4, width: Units = 64
    ) -> None:
        super().__init__()
        self.base = StandardNormalPrior(latent_dim)
        self.flow = flows.real_nvp(latent_dim, context_dim, depth, width)

    def forward(self, c: Tensor | None = None) -> Distribution:
        base = self.base()
        if c is not None:
            base = base.expand(c.shape[:-1])
        return flows.FlowDistribution(base, self.flow, c)


class ConditionalPrior(Prior):
    """One learned diagonal Gaussian for each label.

    References:
        Learning Structured Output Representation using Deep Conditional Generative Models (Sohn
            et al., 2015), https://papers.nips.cc/paper/2015/hash/8d55a249e6baa5c06772297520da2051-Abstract.html
    """

    def __init__(self, latent_dim: int, context_dim: int) -> None:
        super().__init__()
        if not context_dim:
            raise ConfigError("The conditional prior reads labels: add conditional=True.")
        # a linear layer represents every function of a one-hot label
        self.head = nn.Linear(context_dim, 2 * latent_dim)

    def forward(self, c: Tensor | None = None) -> Distribution:
        mean, log_var = self.head(c).float().chunk(2, dim=-1)  # bf16 is too coarse for a density
        return clamped_normal(mean, log_var)


class HierarchicalPrior(Prior):
    """Several levels of diagonal Gaussians, each conditioned on all upper levels.

    The first level is `N(0, I)`. With the ladder posterior, prior and posterior share the top-down
    network.

    References:
        Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282

    Args:
        levels: Number of levels, 2 to 5; they share the latent dimensions evenly.
        width: Hidden units of the top-down network.
    """

    def __init__(
        self,
        latent_dim: int,
        posterior: Posterior,
        levels: Levels = 2,
        width: Units = 64,
    ) -> None:
        super().__init__()
        sizes = level_sizes(latent_dim, levels)
        if isinstance(posterior, MultiLevelPosterior) and posterior.sizes != sizes:
            raise ConfigError(
                "Prior and posterior have different numbers of levels: give both the same levels=N."
            )
        self.first = StandardNormalPrior(sizes[0])
        if isinstance(posterior, LadderPosterior):
            if posterior.top_down.width != width:
                raise ConfigError(
                    "Prior and ladder posterior share a network: give both the same width=N."
                )
            top_down = posterior.top_down
        else:
            top_down = self.top_down = TopDownNetwork(sizes, 0, width)
        self._network = Unregistered(top_down)

    def forward(self, c: Tensor | None = None) -> Distribution:
        network = self._network.module
        return HierarchicalDistribution(self.first(), network.conditionals(), network.sizes)


LEARNED_PRIORS: dict[str, type[Prior]] = {
    "mixture": MixturePrior,
    "vamp": VampPrior,
    "flow": FlowPrior,
    "conditional": ConditionalPrior,
    "hierarchical": HierarchicalPrior,
}
