"""Small networks that read a latent vector, used by flows, hierarchies and priors."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import LayerBuilder


def concat_features(z: Tensor, h: Tensor | None) -> Tensor:
    """Append features h, shape `(*batch, H)`, to z, shape `(*batch, D)`; batch shapes broadcast.

    Without features, z is returned.
    """
    if h is None:
        return z
    batch = torch.broadcast_shapes(z.shape[:-1], h.shape[:-1])
    return torch.cat([z.expand(*batch, -1), h.expand(*batch, -1)], dim=-1)


class LatentMLP(nn.Module):
    """One hidden layer from a latent, with features h appended, to a vector.

    Args:
        inputs: Length of the latent.
        features: Length of h; 0 for none.
        width: Hidden units.
        outputs: Length of the output.
        output_scale: Factor that multiplies the last layer's initial weights and biases.
    """

    def __init__(
        self,
        inputs: int,
        features: int,
        width: int,
        outputs: int,
        output_scale: float = 1.0,
    ) -> None:
        super().__init__()
        last = nn.Linear(width, outputs)
        with torch.no_grad():
            for parameter in last.parameters():
                parameter.mul_(output_scale)
        self.net = nn.Sequential(*LayerBuilder().mlp([inputs + features, width]), last)

    def forward(self, z: Tensor, h: Tensor | None = None) -> Tensor:
        output: Tensor = self.net(concat_features(z, h))
        return output.to(z.dtype)  # bf16 is too coarse for a density


class MaskedLinear(nn.Linear):
    """A linear layer in which an output reads only some of the inputs.

    References:
        MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015),
            https://arxiv.org/abs/1502.03509

    Args:
        reads: Whether an output reads an input, shape `(outputs, inputs)`.
    """

    mask: Tensor

    def __init__(self, reads: Tensor) -> None:
        outputs, inputs = reads.shape
        super().__init__(inputs, outputs)
        self.register_buffer("mask", reads.float(), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight * self.mask, self.bias)
