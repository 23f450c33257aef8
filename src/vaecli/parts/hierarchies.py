"""Hierarchies of latents: sizes of the levels, and the top-down network between them."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from ..system.errors import ConfigError
from .distributions import DiagonalNormal, clamped_normal
from .latent_networks import LatentMLP

Levels = Annotated[int, Ge(2), Le(5)]
Conditional = Callable[[Tensor], DiagonalNormal]  # all levels above -> distribution of the next


def level_sizes(latent_dim: int, levels: int) -> list[int]:
    """Latent dimensions of each level, top first: nearly equal, the last one the largest."""
    if latent_dim < levels:
        raise ConfigError(f"{levels} levels need latent_dim={levels} or more, not {latent_dim}.")
    ends = [latent_dim * n // levels for n in range(levels + 1)]
    return [end - start for start, end in pairwise(ends)]


class TopDownNetwork(nn.Module):
    """For each level but the first, a network from the levels above and features h to a Gaussian.

    Args:
        sizes: Latent dimensions of each level.
        features: Length of h; 0 for none.
        width: Hidden units of each network.
    """

    def __init__(self, sizes: Sequence[int], features: int, width: int) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.width = width
        above = accumulate(sizes[:-1])
        self.nets = nn.ModuleList(
            LatentMLP(upper, features, width, 2 * size)
            for upper, size in zip(above, sizes[1:], strict=True)
        )

    def conditionals(self, h: Tensor | None = None) -> list[Conditional]:
        """The distributions of all levels but the first, given features of shape `(*batch, H)`."""

        def normal(net: nn.Module, z: Tensor) -> DiagonalNormal:
            return clamped_normal(*net(z, h).chunk(2, dim=-1))

        return [partial(normal, net) for net in self.nets]


def precision_weighted_product(
    bottom_up: DiagonalNormal, top_down: Conditional, z: Tensor
) -> DiagonalNormal:
    """The normalized product of two diagonal Gaussians; the second depends on the levels above, z.

    Its mean is the average of both means, weighted by their precisions (inverse variances).
    """
    p = top_down(z)
    weight = torch.sigmoid(p.log_var - bottom_up.log_var)  # fraction of the bottom-up precision
    log_var = -torch.logaddexp(-bottom_up.log_var, -p.log_var)
    return DiagonalNormal(torch.lerp(p.loc, bottom_up.loc, weight), log_var)
