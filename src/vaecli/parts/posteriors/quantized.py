"""The posterior of a VQ-VAE."""

from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor
from torch.distributions import Distribution

from ..codebooks import VectorQuantizer
from ..distributions import QuantizedPointMass
from ..encoder_decoder import Encoder
from ..ranges import Count
from .posterior import Posterior


class QuantizedPosterior(Posterior):
    """The nearest vectors of a learned codebook, with a straight-through gradient.

    In training, a code that is no longer used is reset to a random vector of the batch.

    References:
        Neural Discrete Representation Learning (van den Oord et al., 2017),
            https://arxiv.org/abs/1711.00937
        SoundStream: An End-to-End Neural Audio Codec (Zeghidour et al., 2021),
            https://arxiv.org/abs/2107.03312, for levels > 1

    Args:
        codes: Number of vectors in a codebook.
        dim: Length of a vector; the latent is split into vectors of this length.
        commitment: Weight of the commitment loss.
        levels: Number of codebooks; each quantizes the residual of those before it.
    """

    params_per_dim = 1
    space = "codes"
    is_point = True

    def __init__(
        self,
        encoder: Encoder,
        latent_dim: int,
        codes: Annotated[int, Ge(2), Le(65_536)] = 64,
        dim: Count = 2,
        commitment: Annotated[float, Ge(0), Le(1e6)] = 0.25,
        levels: Annotated[int, Ge(1), Le(32)] = 1,
    ) -> None:
        super().__init__(encoder, latent_dim)
        self.commitment = commitment
        self.quantizer = VectorQuantizer(latent_dim, levels, codes, dim)

    def distribution(self, *params: Tensor) -> Distribution:
        (z,) = params
        code, codebook_loss, commitment_loss, index = self.quantizer(z)
        value = code + (z - z.detach())  # the value of the code, the gradient of z
        vq_loss = codebook_loss + self.commitment * commitment_loss
        return QuantizedPointMass(value, vq_loss, index)
