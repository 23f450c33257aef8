"""The base class of priors."""

import abc
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from torch import Tensor, nn
from torch.distributions import Distribution

from ..posteriors import Space

Module = TypeVar("Module", bound=nn.Module)


class Prior(nn.Module, abc.ABC):
    """A distribution over latents, which may depend on a context c.

    A constructor declares those of these arguments that it needs: `latent_dim`, the number of
    dimensions D; `posterior`, the posterior of the same model; `shape` of the images, (C, H, W);
    `context_dim`, the length E of c, 0 for none; `classes`, the number of labels, 0 for none.
    An objective may pass labels to the prior even if the model is not conditional. A row of c that
    is all zeros is an unknown label.

    Attributes:
        space: The space of its latents.
    """

    space: ClassVar[Space] = "real"

    @abc.abstractmethod
    def forward(self, c: Tensor | None = None) -> Distribution:
        """The distribution, of batch shape `()`, or `(B,)` if it depends on c, shape `(B, E)`."""


@dataclass(frozen=True)
class Unregistered(Generic[Module]):
    """A module that another part owns, such as the encoder of the posterior.

    `nn.Module` would register a plain attribute: the parameters would belong to both parts, and
    appear twice in checkpoints.
    """

    module: Module
