"""Latents as a map: C channels at each of h x w positions.

Only the encoder's head and the decoder know of the map. To all other parts a latent is a vector of
D = h * w * C numbers: the channels of the first position, then those of the next one in its row.
So a code whose length divides C lies at one position.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from ..system.errors import ConfigError

DEFAULT_CHANNELS = 4


def map_shape(latent_dim: int | None, size: tuple[int, int]) -> tuple[int, int, int]:
    """Shape (C, h, w) of a map of D latents.

    Args:
        latent_dim: Number of latents D; None for `DEFAULT_CHANNELS` channels.
        size: Size (h, w) of the map.

    Raises:
        ConfigError: D is no multiple of h * w.
    """
    height, width = size
    positions = height * width
    if latent_dim is None:
        return DEFAULT_CHANNELS, height, width
    channels, rest = divmod(latent_dim, positions)
    if rest:
        below = f"{channels * positions} or " if channels else ""
        raise ConfigError(
            f"latent_dim={latent_dim}: a map of {width}x{height} needs a multiple of {positions}: "
            f"use {below}{(channels + 1) * positions}."
        )
    return channels, height, width


def vectors_to_maps(z: Tensor, shape: Sequence[int]) -> Tensor:
    """Vectors, shape `(N, D)`, as maps of this shape, (C, h, w): shape `(N, C, h, w)`."""
    channels, height, width = shape
    # with the channels of a pixel side by side in memory, a step takes half the time on a CPU
    return z.reshape(-1, height, width, channels).permute(0, 3, 1, 2)


class MapHead(nn.Module):
    """A 1x1 convolution from features of an encoder to K parameters of each latent.

    The output has shape `(N, K * D)`: the first parameter of all latents, then the second.

    Args:
        features: Length of the features, those of (F, h, w) flattened.
        params_per_dim: Number of parameters K.
        shape: Shape of the map, (C, h, w).
    """

    def __init__(self, features: int, params_per_dim: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.params_per_dim = params_per_dim
        channels, *self.size = shape
        inputs = features // (self.size[0] * self.size[1])
        self.convolution = nn.Conv2d(inputs, params_per_dim * channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        maps = self.convolution(features.unflatten(1, (-1, *self.size)))
        params = maps.unflatten(1, (self.params_per_dim, -1))  # (N, K, C, h, w)
        flat: Tensor = params.permute(0, 1, 3, 4, 2).flatten(1)
        return flat
