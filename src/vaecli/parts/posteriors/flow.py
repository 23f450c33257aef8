"""Posteriors that transform a diagonal Gaussian by a flow."""

from torch import Tensor
from torch.distributions import Distribution

from .. import flows
from ..distributions import clamped_normal
from ..encoder_decoder import Encoder
from ..ranges import Layers, Units
from .posterior import Posterior


class FlowPosterior(Posterior):
    """Base class: a diagonal Gaussian transformed by the flow that the subclass makes.

    The head outputs the mean, the log-variance and, for the flow, features of the image.
    """

    params_per_dim = 3
    flow: flows.Flow

    def distribution(self, *params: Tensor) -> Distribution:
        mean, log_var, features = params
        return flows.FlowDistribution(clamped_normal(mean, log_var), self.flow, features)


class RealNVPPosterior(FlowPosterior):
    """Diagonal Gaussian transformed by Real NVP couplings, conditioned on the image.

    References:
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015),
            https://arxiv.org/abs/1505.05770, for flows of a posterior
        Density estimation using Real NVP (Dinh et al., 2017), https://arxiv.org/abs/1605.08803, for
            the couplings

    Args:
        depth: Number of couplings.
        width: Hidden units in each.
    """

    def __init__(
        self,
        encoder: Encoder,
        latent_dim: int,
        depth: Layers = 4,
        width: Units = 64,
    ) -> None:
        super().__init__(encoder, latent_dim)
        self.flow = flows.real_nvp(latent_dim, latent_dim, depth, width)


class PlanarPosterior(FlowPosterior):
    """Diagonal Gaussian transformed by planar flows, conditioned on the image.

    References:
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015),
            https://arxiv.org/abs/1505.05770

    Args:
        depth: Number of planar flows.
    """

    def __init__(self, encoder: Encoder, latent_dim: int, depth: Layers = 8) -> None:
        super().__init__(encoder, latent_dim)
        self.flow = flows.ComposedFlow(
            flows.PlanarFlow(latent_dim, latent_dim) for _ in range(depth)
        )


class IAFPosterior(FlowPosterior):
    """Diagonal Gaussian transformed by inverse autoregressive flows, conditioned on the image.

    References:
        Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
            https://arxiv.org/abs/1606.04934

    Args:
        depth: Number of autoregressive steps; each reverses the order of the dimensions.
        width: Hidden units in each.
    """

    def __init__(
        self,
        encoder: Encoder,
        latent_dim: int,
        depth: Layers = 2,
        width: Units = 128,
    ) -> None:
        super().__init__(encoder, latent_dim)
        self.flow = flows.ComposedFlow(
            flows.AutoregressiveFlow(latent_dim, latent_dim, width) for _ in range(depth)
        )
