"""Encoders and decoders: images to features, and latents to maps.

Both take an optional context `c`, shape `(N, E)`, and join it to their input, so that
conditioning is written once, here.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from ..errors import ConfigError


def join(h: Tensor, c: Tensor | None) -> Tensor:
    """Append the context to features h, shape `(N, F)`, to give `(N, F + E)`."""
    return h if c is None else torch.cat([h, c], dim=-1)


def rectified(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers between these sizes, each followed by a ReLU.

    Their weights keep the variance of what passes through, which torch's own default shrinks
    sixfold at every ReLU.

    References:
        Delving Deep into Rectifiers (He et al., 2015), https://arxiv.org/abs/1502.01852
    """
    modules: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layer = nn.Linear(inputs, outputs)
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        modules += [layer, nn.ReLU()]
    return nn.Sequential(*modules)


@final
class MLPEncoder(nn.Module):
    """Images, shape `(N, C, H, W)`, to features, shape `(N, features)`."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.features = sizes[-1]
        self.net = rectified(sizes)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        features: Tensor = self.net(join(x.flatten(1), c))
        return features


@final
class MLPDecoder(nn.Module):
    """Latents, shape `(N, D)`, to maps, shape `(N, *shape)`."""

    def __init__(self, sizes: Sequence[int], shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.net = nn.Sequential(*rectified(sizes), nn.Linear(sizes[-1], math.prod(shape)))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        maps: Tensor = self.net(join(z, c)).unflatten(-1, self.shape)
        return maps


@final
@dataclass(frozen=True)
class MLP:
    """Fully connected layers with ReLU, the same in the encoder and the decoder.

    Args:
        width: Units in a hidden layer.
        depth: Hidden layers.
    """

    width: int = 400
    depth: int = 2

    def __post_init__(self) -> None:
        for name, value, most in (("width", self.width, 1_000_000), ("depth", self.depth, 1000)):
            if not 1 <= value <= most:
                raise ConfigError(
                    f"The mlp network needs {name} of at least 1 and at most {most}, not {value}."
                )

    def encoder(self, shape: Sequence[int], context: int) -> MLPEncoder:
        return MLPEncoder([math.prod(shape) + context, *[self.width] * self.depth])

    def decoder(self, latent_dim: int, shape: Sequence[int], context: int) -> MLPDecoder:
        return MLPDecoder([latent_dim + context, *[self.width] * self.depth], shape)


NETWORKS = {"mlp": MLP}
