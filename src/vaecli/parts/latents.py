"""Small networks over latents, which parts share."""

import torch
from torch import Tensor, nn

from .layers import Style


def beside(z: Tensor, h: Tensor | None) -> Tensor:
    """z, shape `(*batch, D)`, with h, shape `(*batch, H)`, after it; batch shapes broadcast."""
    if h is None:
        return z
    batch = torch.broadcast_shapes(z.shape[:-1], h.shape[:-1])
    return torch.cat([z.expand(*batch, -1), h.expand(*batch, -1)], dim=-1)


class LatentNet(nn.Module):
    """One hidden layer between a latent, with features h beside it, and `outputs` numbers.

    Args:
        inputs: Length of the latent.
        features: Length of h; 0 for none.
        width: Hidden units.
        outputs: Length of the result.
        start: Factor of the last layer's first weights.
    """

    def __init__(
        self, inputs: int, features: int, width: int, outputs: int, start: float = 1.0
    ) -> None:
        super().__init__()
        last = nn.Linear(width, outputs)
        with torch.no_grad():
            for parameter in last.parameters():
                parameter.mul_(start)
        self.net = nn.Sequential(*Style().dense([inputs + features, width]), last)

    def forward(self, z: Tensor, h: Tensor | None = None) -> Tensor:
        numbers: Tensor = self.net(beside(z, h))
        return numbers
