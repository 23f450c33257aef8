"""Encoders and decoders: images to features, and latents to maps.

Both take an optional context `c`, shape `(N, E)`, and join it to their input, so that
conditioning is written once, here.
"""

import abc
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, cast

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from ..system.errors import ConfigError
from .layers import ActivationName, BiasMap, NormName, Style
from .ranges import Layers, Units


class Encoder(nn.Module):
    """Maps images, shape `(N, C, H, W)`, and a context to features, shape `(N, features)`.

    Args:
        net: Takes the images with the context joined to them.
        features: How many it gives.
        flat: It takes images as vectors, not as maps.
    """

    def __init__(self, net: nn.Module, features: int, flat: bool) -> None:
        super().__init__()
        self.net, self.features, self.flat = net, features, flat

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        features: Tensor = self.net(join(x.flatten(1) if self.flat else x, c))
        return features


class Headed(nn.Module):
    """An encoder with a linear layer behind it, such as a classifier or a critic.

    Called with images and a context, it gives logits, shape `(N, outputs)`, or `(N,)` where no
    number of outputs is given, and features, shape `(N, F)`.
    """

    def __init__(self, encoder: Encoder, *outputs: int) -> None:
        super().__init__()
        self.encoder, self.outputs = encoder, outputs
        self.head = nn.Linear(encoder.features, math.prod(outputs))

    def forward(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        features = self.encoder(x, c)
        return self.head(features).view(len(x), *self.outputs), features


class Decoder(nn.Module):
    """Maps latents, shape `(N, D)`, and a context to maps, shape `(N, *shape)`.

    Args:
        net: Takes the latents with the context joined to them; its last layer has a bias.
        shape: Of the maps, (C, H, W).
    """

    def __init__(self, net: nn.Sequential, shape: Sequence[int]) -> None:
        super().__init__()
        self.net, self.shape = net, tuple(shape)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        maps: Tensor = self.net(join(z, c))
        return maps.view(-1, *self.shape)

    @torch.no_grad()
    def start_at(self, maps: Tensor) -> None:
        """Set the last bias so that an untrained decoder gives about `maps`, of shape `shape`."""
        bias = cast(Tensor, self.net[-1].bias)
        bias.copy_(maps.view_as(bias))


def join(h: Tensor, c: Tensor | None) -> Tensor:
    """Append the context to features h, shape `(N, F, ...)`, to give `(N, F + E, ...)`.

    It is the same at every pixel of h, if that has any.
    """
    if c is None:
        return h
    c = c.reshape(*c.shape, *[1] * (h.ndim - 2)).expand(*c.shape, *h.shape[2:])
    return torch.cat([h, c], dim=1)


@dataclass(frozen=True)
class Network(abc.ABC):
    """A family of encoders and decoders, with the options that they share."""

    width: Units = 400
    depth: Layers = 2
    activation: ActivationName = "relu"
    norm: NormName = "none"
    bias: Literal["zero", "data"] = "zero"

    def __post_init__(self) -> None:
        if self.norm == "layer" and self.width < 2:
            raise ConfigError("norm=layer leaves nothing of one unit: use width=2 or more.")

    @property
    def style(self) -> Style:
        return Style(self.activation, self.norm)

    @abc.abstractmethod
    def encoder(self, shape: Sequence[int], context: int) -> Encoder:
        """Of images of this shape, (C, H, W), and a context of this length."""

    @abc.abstractmethod
    def decoder(self, latent_dim: int, shape: Sequence[int], context: int) -> Decoder:
        """To maps of this shape."""


@dataclass(frozen=True)
class MLP(Network):
    """Fully connected layers, the same in the encoder and the decoder.

    Args:
        width: Units in a hidden layer.
        depth: Hidden layers.
        activation: What bends each hidden layer.
        norm: What each hidden layer is normed over: nothing, the batch, or its own units.
        bias: How the decoder begins: from zero, or from the mean training image.
    """

    def encoder(self, shape: Sequence[int], context: int) -> Encoder:
        sizes = [math.prod(shape) + context, *[self.width] * self.depth]
        return Encoder(self.style.dense(sizes), self.width, flat=True)

    def decoder(self, latent_dim: int, shape: Sequence[int], context: int) -> Decoder:
        hidden = self.style.dense([latent_dim + context, *[self.width] * self.depth])
        return Decoder(nn.Sequential(*hidden, nn.Linear(self.width, math.prod(shape))), shape)


@dataclass(frozen=True)
class Conv(Network):
    """Convolutions that halve the image, and in the decoder double it again, at any size.

    Each is bent before the next. The decoder is the mirror image of the encoder: sizes double, or
    nearly, up to exactly that of the image. A convolution of repeated pixels treats all alike,
    where a transposed one of stride 2 overlaps itself unevenly and draws a checkerboard. Every
    pixel has a bias of its own at the end.

    References:
        Striving for Simplicity: The All Convolutional Net (Springenberg et al., 2015),
            https://arxiv.org/abs/1412.6806
        Deconvolution and Checkerboard Artifacts (Odena et al., 2016),
            https://doi.org/10.23915/distill.00003

    Args:
        width: Channels after the first halving; each further one doubles them.
        depth: Halvings.
        activation: What bends each layer.
        norm: What each layer is normed over: nothing, the batch, or each image's own features.
        bias: How the decoder begins: from zero, or from the mean training image.
        blocks: Residual blocks, each of two convolutions, at each size.
    """

    width: Annotated[int, Ge(1), Le(10_000)] = 16
    depth: Annotated[int, Ge(1), Le(10)] = 2
    blocks: Annotated[int, Ge(0), Le(1000)] = 0

    @property
    def channels(self) -> list[int]:
        """How many there are after each halving."""
        return [self.width * 2**n for n in range(self.depth)]

    def encoder(self, shape: Sequence[int], context: int) -> Encoder:
        style, channels = self.style, self.channels
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise((shape[0] + context, *channels)):
            bend = style.bend(inputs) if layers else []
            layers += [*bend, style.convolution(inputs, outputs, stride=2)]
            layers += style.residuals(outputs, self.blocks)
        net = nn.Sequential(*layers, *style.bend(channels[-1]), nn.Flatten())
        return Encoder(net, channels[-1] * math.prod(halved(shape, self.depth)[-1]), flat=False)

    def decoder(self, latent_dim: int, shape: Sequence[int], context: int) -> Decoder:
        style, channels = self.style, self.channels
        *sizes, smallest = halved(shape, self.depth)
        first = (channels[-1], *smallest)
        layers = [style.linear(latent_dim + context, math.prod(first)), nn.Unflatten(1, first)]
        for n in reversed(range(self.depth)):
            layers += style.residuals(channels[n], self.blocks)
            layers += [*style.bend(channels[n]), nn.Upsample(sizes[n])]
            layers += [style.convolution(channels[n], channels[n - 1])] if n else []
        last = nn.Conv2d(channels[0], shape[0], 3, padding=1, bias=False)
        return Decoder(nn.Sequential(*layers, last, BiasMap(shape)), shape)


@dataclass(frozen=True)
class ResNet(Conv):
    """Convolutions that halve and double the image, with residual blocks at each size.

    References:
        Identity Mappings in Deep Residual Networks (He et al., 2016),
            https://arxiv.org/abs/1603.05027

    Args:
        width: Channels after the first halving; each further one doubles them.
        depth: Halvings.
        activation: What bends each layer.
        norm: What each layer is normed over: nothing, the batch, or each image's own features.
        bias: How the decoder begins: from zero, or from the mean training image.
        blocks: Residual blocks, each of two convolutions, at each size.
    """

    blocks: Annotated[int, Ge(0), Le(1000)] = 1


def halved(shape: Sequence[int], times: int) -> list[tuple[int, int]]:
    """The size (H, W) of images of this shape, and what 0 to `times` halvings leave, rounded up."""
    _, height, width = shape
    return [(math.ceil(height / 2**n), math.ceil(width / 2**n)) for n in range(times + 1)]


NETWORKS: dict[str, type[Network]] = {"mlp": MLP, "conv": Conv, "resnet": ResNet}
