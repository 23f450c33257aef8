"""The posterior for latents on the unit sphere."""

import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution

from ..encoder_decoder import Encoder
from ..spheres import MAX_CONCENTRATION, VonMisesFisher, require_sphere
from .posterior import Posterior


class VonMisesFisherPosterior(Posterior):
    """Von Mises-Fisher distribution around a direction on the unit sphere.

    The encoder's last linear layer gives the direction (first half of its outputs) and the
    concentration: 1 plus the softplus, as in the paper, of the sum of the second half, and at most
    100,000.

    References:
        Hyperspherical Variational Auto-Encoders (Davidson et al., 2018),
            https://arxiv.org/abs/1804.00891
    """

    params_per_dim = 2
    space = "sphere"

    def __init__(self, encoder: Encoder, latent_dim: int) -> None:
        require_sphere(latent_dim)
        super().__init__(encoder, latent_dim)

    def distribution(self, *params: Tensor) -> Distribution:
        direction, k = params
        concentration = (1 + F.softplus(k.sum(-1))).clamp(max=MAX_CONCENTRATION)
        return VonMisesFisher(F.normalize(direction, dim=-1), concentration)
