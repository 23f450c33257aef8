"""Encoders and decoders: images to features, and latents to maps.

Both take an optional context `c`, shape `(N, E)`, and join it to their input, so that
conditioning is written once, here.
"""

import abc
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from ..config import Layers, Units
from ..errors import ConfigError
from .layers import ActivationName, BiasMap, NormName, Style


class Encoder(nn.Module):
    """Maps images, shape `(N, C, H, W)`, and a context to features, shape `(N, features)`."""

    features: int


class Decoder(nn.Module, abc.ABC):
    """Maps latents, shape `(N, D)`, and a context to maps, shape `(N, *shape)`."""

    @abc.abstractmethod
    def start_at(self, maps: Tensor) -> None:
        """Set the last bias so that an untrained decoder gives about `maps`, of shape `shape`."""


class Network(Protocol):
    """A family of encoders and decoders, with the options that they share.

    Attributes:
        bias: How the decoder begins: from zero, or from the mean training image.
    """

    @property
    def bias(self) -> Literal["zero", "data"]: ...

    def encoder(self, shape: Sequence[int], context: int) -> Encoder: ...

    def decoder(self, latent_dim: int, shape: Sequence[int], context: int) -> Decoder: ...


def join(h: Tensor, c: Tensor | None) -> Tensor:
    """Append the context to features h, shape `(N, F, ...)`, to give `(N, F + E, ...)`.

    It is the same at every pixel of h, if that has any.
    """
    if c is None:
        return h
    c = c.reshape(*c.shape, *[1] * (h.ndim - 2)).expand(*c.shape, *h.shape[2:])
    return torch.cat([h, c], dim=1)


class MLPEncoder(Encoder):
    """Flattened images through fully connected layers."""

    def __init__(self, sizes: Sequence[int], style: Style) -> None:
        super().__init__()
        self.features = sizes[-1]
        self.net = style.dense(sizes)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        features: Tensor = self.net(join(x.flatten(1), c))
        return features


class MLPDecoder(Decoder):
    """Latents through fully connected layers."""

    def __init__(self, sizes: Sequence[int], shape: Sequence[int], style: Style) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.net = nn.Sequential(*style.dense(sizes), nn.Linear(sizes[-1], math.prod(shape)))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        maps: Tensor = self.net(join(z, c)).unflatten(-1, self.shape)
        return maps

    @torch.no_grad()
    def start_at(self, maps: Tensor) -> None:
        cast(nn.Linear, self.net[-1]).bias.copy_(maps.flatten())


class ConvEncoder(Encoder):
    """Convolutions of stride 2, each with residual blocks behind it, bent at the end.

    Args:
        shape: Of the images, (C, H, W).
        channels: After each halving.
        blocks: Residual blocks at each size.
    """

    def __init__(
        self, shape: Sequence[int], context: int, channels: Sequence[int], blocks: int, style: Style
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise((shape[0] + context, *channels)):
            bend = style.bend(inputs) if layers else []
            layers += [*bend, style.convolution(inputs, outputs, stride=2)]
            layers += style.residuals(outputs, blocks)
        self.net = nn.Sequential(*layers, *style.bend(channels[-1]), nn.Flatten())
        self.features = channels[-1] * math.prod(halved(shape, len(channels))[-1])

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        features: Tensor = self.net(join(x, c))
        return features


class ConvDecoder(Decoder):
    """The mirror image of `ConvEncoder`: sizes double, or nearly, up to exactly that of `shape`.

    A convolution of repeated pixels treats all alike, where a transposed one of stride 2 overlaps
    itself unevenly and draws a checkerboard. Every pixel has a bias of its own at the end.

    References:
        Deconvolution and Checkerboard Artifacts (Odena et al., 2016),
            https://doi.org/10.23915/distill.00003
    """

    def __init__(
        self, inputs: int, shape: Sequence[int], channels: Sequence[int], blocks: int, style: Style
    ) -> None:
        super().__init__()
        *sizes, smallest = halved(shape, len(channels))
        first = (channels[-1], *smallest)
        layers = [style.linear(inputs, math.prod(first)), nn.Unflatten(1, first)]
        for n in reversed(range(len(channels))):
            layers += style.residuals(channels[n], blocks)
            layers += [*style.bend(channels[n]), nn.Upsample(sizes[n])]
            layers += [style.convolution(channels[n], channels[n - 1])] if n else []
        last = nn.Conv2d(channels[0], shape[0], 3, padding=1, bias=False)
        self.net = nn.Sequential(*layers, last, BiasMap(shape))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        maps: Tensor = self.net(join(z, c))
        return maps

    @torch.no_grad()
    def start_at(self, maps: Tensor) -> None:
        cast(BiasMap, self.net[-1]).bias.copy_(maps)


def halved(shape: Sequence[int], times: int) -> list[tuple[int, int]]:
    """The size (H, W) of images of this shape, and what 0 to `times` halvings leave, rounded up."""
    _, height, width = shape
    return [(math.ceil(height / 2**n), math.ceil(width / 2**n)) for n in range(times + 1)]


def check(network: str, norm: NormName, width: int) -> None:
    """Raise unless a norm leaves something of so many units."""
    if norm == "layer" and width < 2:
        raise ConfigError(
            f"The {network} network with norm=layer needs width of at least 2: of one unit, "
            "nothing is left."
        )


@dataclass(frozen=True)
class MLP:
    """Fully connected layers, the same in the encoder and the decoder.

    Args:
        width: Units in a hidden layer.
        depth: Hidden layers.
        activation: What bends each hidden layer.
        norm: What each hidden layer is normed over: nothing, the batch, or its own units.
        bias: How the decoder begins: from zero, or from the mean training image.
    """

    width: Units = 400
    depth: Layers = 2
    activation: ActivationName = "relu"
    norm: NormName = "none"
    bias: Literal["zero", "data"] = "zero"

    def __post_init__(self) -> None:
        check("mlp", self.norm, self.width)

    @property
    def style(self) -> Style:
        return Style(self.activation, self.norm)

    def encoder(self, shape: Sequence[int], context: int) -> MLPEncoder:
        sizes = [math.prod(shape) + context, *[self.width] * self.depth]
        return MLPEncoder(sizes, self.style)

    def decoder(self, latent_dim: int, shape: Sequence[int], context: int) -> MLPDecoder:
        sizes = [latent_dim + context, *[self.width] * self.depth]
        return MLPDecoder(sizes, shape, self.style)


@dataclass(frozen=True)
class Convolutional(abc.ABC):
    """What `Conv` and `ResNet` share: all but the residual blocks."""

    width: Annotated[int, Field(ge=1, le=10_000)] = 16
    depth: Annotated[int, Field(ge=1, le=10)] = 2
    activation: ActivationName = "relu"
    norm: NormName = "none"
    bias: Literal["zero", "data"] = "zero"

    @property
    @abc.abstractmethod
    def blocks(self) -> int:
        """Residual blocks at each size."""

    def __post_init__(self) -> None:
        check(type(self).__name__.lower(), self.norm, self.width)

    @property
    def style(self) -> Style:
        return Style(self.activation, self.norm)

    @property
    def channels(self) -> list[int]:
        """How many there are after each halving."""
        return [self.width * 2**n for n in range(self.depth)]

    def encoder(self, shape: Sequence[int], context: int) -> ConvEncoder:
        return ConvEncoder(shape, context, self.channels, self.blocks, self.style)

    def decoder(self, latent_dim: int, shape: Sequence[int], context: int) -> ConvDecoder:
        return ConvDecoder(latent_dim + context, shape, self.channels, self.blocks, self.style)


@dataclass(frozen=True)
class Conv(Convolutional):
    """Convolutions that halve the image, and in the decoder double it again, at any size.

    References:
        Striving for Simplicity: The All Convolutional Net (Springenberg et al., 2015),
            https://arxiv.org/abs/1412.6806

    Args:
        width: Channels after the first halving; each further one doubles them.
        depth: Halvings.
        activation: What bends each layer.
        norm: What each layer is normed over: nothing, the batch, or each image's own features.
        bias: How the decoder begins: from zero, or from the mean training image.
    """

    blocks: ClassVar[int] = 0


@dataclass(frozen=True)
class ResNet(Convolutional):
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

    blocks: Annotated[int, Field(ge=0, le=1000)] = 1


NETWORKS: dict[str, Callable[..., Network]] = {"mlp": MLP, "conv": Conv, "resnet": ResNet}
