"""Networks from the upper levels of a hierarchy of latents to the lower ones."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from ..system.errors import ConfigError
from .distributions import DiagonalNormal, bounded_normal
from .latents import LatentNet

Levels = Annotated[int, Ge(2), Le(5)]
Level = Callable[[Tensor], DiagonalNormal]  # from all levels above to the distribution of the next


def level_sizes(latent_dim: int, levels: int) -> list[int]:
    """The latent dimensions of every level, from the top: as equal as can be, the last largest."""
    if latent_dim < levels:
        raise ConfigError(f"{levels} levels need --latent-dim {levels} or more, not {latent_dim}.")
    ends = [latent_dim * n // levels for n in range(levels + 1)]
    return [end - start for start, end in pairwise(ends)]


class TopDown(nn.Module):
    """A network for every level but the first: from the levels above and h to a normal.

    Args:
        sizes: Latent dimensions of every level.
        features: Length of h; 0 for none.
        width: Hidden units of each network.
    """

    def __init__(self, sizes: Sequence[int], features: int, width: int) -> None:
        super().__init__()
        self.sizes, self.width = list(sizes), width
        lower = zip(accumulate(sizes), sizes[1:], strict=False)
        self.nets = nn.ModuleList(
            LatentNet(above, features, width, 2 * size) for above, size in lower
        )

    def levels(self, h: Tensor | None = None) -> list[Level]:
        """The levels below the first, given features of shape `(*batch, H)`."""

        def normal(net: nn.Module, z: Tensor) -> DiagonalNormal:
            return bounded_normal(*net(z, h).chunk(2, dim=-1))

        return [partial(normal, net) for net in self.nets]


def merge(bottom_up: DiagonalNormal, top_down: Level, z: Tensor) -> DiagonalNormal:
    """The product of two normals, scaled to one: means weighted by their precisions."""
    p = top_down(z)
    weight = torch.sigmoid(p.log_var - bottom_up.log_var)  # of the bottom-up precision in both
    log_var = -torch.logaddexp(-bottom_up.log_var, -p.log_var)
    return DiagonalNormal(torch.lerp(p.loc, bottom_up.loc, weight), log_var)
