"""`Encoder` and `Decoder`: from images to features, from latents to parameters of pixels.

Both append an optional context `c`, shape `(N, E)`, to their input, by `concat_context`.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .latent_maps import MapHead, map_shape, vectors_to_maps


class Encoder(nn.Module):
    """Maps images, shape `(N, C, H, W)`, and a context to features, shape `(N, features)`.

    Args:
        net: Network; its input is the images with the context appended.
        features: Length of its output.
        flattens_input: Whether `net` takes images as vectors, not as channels of pixels.
        map_size: Size (h, w) of the map that latents of this encoder are; None for vectors.
    """

    def __init__(
        self,
        net: nn.Module,
        features: int,
        flattens_input: bool,
        map_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.features = features
        self.flattens_input = flattens_input
        self.map_size = map_size

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        if self.flattens_input:
            x = x.flatten(1)
        features: Tensor = self.net(concat_context(x, c))
        return features

    def latent_shape(self, latent_dim: int) -> tuple[int, ...]:
        """Shape of D latents: (D,), or (C, h, w) of a map."""
        if self.map_size is None:
            return (latent_dim,)
        return map_shape(latent_dim, self.map_size)

    def make_head(self, params_per_dim: int, latent_dim: int) -> nn.Module:
        """A layer from features to K parameters of each of D latents, shape `(N, K * D)`."""
        if self.map_size is None:
            return nn.Linear(self.features, params_per_dim * latent_dim)
        return MapHead(self.features, params_per_dim, map_shape(latent_dim, self.map_size))


class EncoderWithHead(nn.Module):
    """An encoder with a linear layer on top, such as a classifier or a discriminator.

    It maps images and a context to logits, shape `(N, outputs)`, or `(N,)` if no number of outputs
    is given, and to features, shape `(N, F)`.
    """

    def __init__(self, encoder: Encoder, *outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.outputs = outputs
        self.head = nn.Linear(encoder.features, math.prod(outputs))

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        features = self.encoder(x, c)
        return self.head(features).view(x.shape[0], *self.outputs), features


class Decoder(nn.Module):
    """Maps latents, shape `(N, D)`, and a context to outputs, shape `(N, *shape)`.

    Args:
        net: Network; its input is the latents with the context appended. Its last layer has a bias.
        shape: Shape of an output, (C, H, W).
        latent_map: Shape (C, h, w) of the map that `net` reads; None if it reads vectors.
    """

    def __init__(
        self,
        net: nn.Sequential,
        shape: Sequence[int],
        latent_map: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.shape = tuple(shape)
        self.latent_map = latent_map

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        if self.latent_map is not None:
            z = vectors_to_maps(z, self.latent_map)
        output: Tensor = self.net(concat_context(z, c))
        return output.view(-1, *self.shape)

    @torch.no_grad()
    def set_output_bias(self, output: Tensor) -> None:
        """Set the last bias so that the untrained decoder outputs about `output`, shape `shape`."""
        bias = cast(Tensor, self.net[-1].bias)
        bias.copy_(output.view_as(bias))


def concat_context(h: Tensor, c: Tensor | None) -> Tensor:
    """Append the context to features h, shape `(N, F, ...)`, to give `(N, F + E, ...)`.

    If h has pixels, the context is repeated at each of them. Without a context, h is returned.
    """
    if c is None:
        return h
    pixels = h.shape[2:]
    c = c.reshape(*c.shape, *[1] * len(pixels)).expand(*c.shape, *pixels)
    return torch.cat([h, c], dim=1)
