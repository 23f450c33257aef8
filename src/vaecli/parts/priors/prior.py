"""What every prior is."""

import abc
from typing import ClassVar

from torch import Tensor, nn
from torch.distributions import Distribution

from ..posteriors import Space


class Prior(nn.Module, abc.ABC):
    """A distribution over latents, offered what it may be made from by name.

    The constructor of a prior takes those that it needs of: `latent_dim` D; `posterior`, the
    module that it is paired with; `shape` (C, H, W) of the images; `context`, the length E of c,
    0 for none; `classes` of the labels, 0 for none, of which an objective may tell it where the
    model does not: a row of c that is zeros is an unknown label.

    Attributes:
        space: Where its latents lie.
    """

    space: ClassVar[Space] = "real"

    @abc.abstractmethod
    def forward(self, c: Tensor | None = None) -> Distribution:
        """The distribution, of batch shape `()`, or `(B,)` if it depends on c, shape `(B, E)`."""
