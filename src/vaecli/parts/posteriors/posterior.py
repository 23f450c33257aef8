"""The base class of posteriors."""

import abc
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.distributions import Distribution

from ..encoder_decoder import Encoder

Space = Literal["real", "sphere", "codes"]  # R^D, the unit sphere in it, or codes of a codebook


class Posterior(nn.Module, abc.ABC):
    """Base class: an encoder, its head, and a distribution, which the subclass defines.

    Args:
        encoder: Maps `(x, c)` to features, shape `(B, encoder.features)`.
        latent_dim: Number of latent dimensions D.

    Attributes:
        params_per_dim: Parameters of the distribution per latent dimension.
        space: The space of the latents; the prior must have the same.
        has_density: Whether it has a density or probability; a deterministic code has none.
        is_point: Whether it is a single point, so that all samples of an image are the same.
    """

    params_per_dim: ClassVar[int]
    space: ClassVar[Space] = "real"
    has_density: ClassVar[bool] = True
    is_point: ClassVar[bool] = False

    def __init__(self, encoder: Encoder, latent_dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.latent_dim = latent_dim
        self.head = encoder.make_head(self.params_per_dim, latent_dim)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of a latent: (D,), or (C, h, w) of a map."""
        return self.encoder.latent_shape(self.latent_dim)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        params = self.head(self.encoder(x, c)).float()  # bf16 is too coarse for a density
        return self.distribution(*params.chunk(self.params_per_dim, dim=-1))

    @abc.abstractmethod
    def distribution(self, *params: Tensor) -> Distribution:
        """The distribution with these parameters: `params_per_dim` tensors of shape `(B, D)`."""
