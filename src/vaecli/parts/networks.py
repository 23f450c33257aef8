"""Networks: encoders and decoders by name, with their options."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le
from torch import nn

from ..system.errors import ConfigError
from .encoder_decoder import Decoder, Encoder
from .latent_maps import map_shape
from .layers import ActivationName, LayerBuilder, NormName, PixelBias, SubPixel, last_convolution
from .ranges import Layers, Units

DEFAULT_LATENT_DIM = 20  # of a vector of latents


@dataclass(frozen=True)
class Network(abc.ABC):
    """Base class of networks, with their common options; a subclass makes encoder and decoder."""

    width: Units = 400
    depth: Layers = 2
    activation: ActivationName = "relu"
    norm: NormName = "none"
    output_bias: Literal["zero", "data"] = "zero"

    @property
    def layer_builder(self) -> LayerBuilder:
        """Makes hidden layers with this network's norm and activation."""
        return LayerBuilder(self.activation, self.norm)

    def latent_dim(self, given: int | None, shape: Sequence[int]) -> int:
        """Number of latents D of images of this shape, (C, H, W).

        Args:
            given: The number that the user chose; None for the default.
            shape: Shape of an image.

        Raises:
            ConfigError: The latents are a map, and the given number does not fill one.
        """
        size = self.map_size(shape)
        if size is not None:
            return math.prod(map_shape(given, size))
        return DEFAULT_LATENT_DIM if given is None else given

    @abc.abstractmethod
    def map_size(self, shape: Sequence[int]) -> tuple[int, int] | None:
        """Size (h, w) of the map of latents of images of this shape; None if they are a vector."""

    @abc.abstractmethod
    def encoder(self, shape: Sequence[int], context_dim: int) -> Encoder:
        """An encoder of images of this shape, (C, H, W), and a context of this length."""

    @abc.abstractmethod
    def decoder(self, latent_dim: int, shape: Sequence[int], context_dim: int) -> Decoder:
        """A decoder from latents and a context of this length to outputs of this shape."""


@dataclass(frozen=True)
class MLP(Network):
    """Fully connected layers of equal width, as many in the encoder as in the decoder.

    Args:
        width: Units in a hidden layer.
        depth: Hidden layers.
        activation: Activation of the hidden layers.
        norm: Norm of each hidden layer: none, over the batch, or over its units.
        output_bias: Initial output bias of the decoder: zero, or from the mean training image.
    """

    def __post_init__(self) -> None:
        if self.norm == "layer" and self.width < 2:
            raise ConfigError(
                "norm=layer needs width=2 or more: one unit normalizes to a constant."
            )

    def map_size(self, shape: Sequence[int]) -> tuple[int, int] | None:
        return None

    def encoder(self, shape: Sequence[int], context_dim: int) -> Encoder:
        sizes = [math.prod(shape) + context_dim, *[self.width] * self.depth]
        return Encoder(self.layer_builder.mlp(sizes), self.width, flattens_input=True)

    def decoder(self, latent_dim: int, shape: Sequence[int], context_dim: int) -> Decoder:
        hidden = self.layer_builder.mlp([latent_dim + context_dim, *[self.width] * self.depth])
        return Decoder(nn.Sequential(*hidden, nn.Linear(self.width, math.prod(shape))), shape)


@dataclass(frozen=True)
class Conv(Network):
    """Convolutions that halve the image in the encoder and double it in the decoder.

    Images may have any size. The decoder mirrors the encoder: each step about doubles the size, and
    the last one gives the size of the image. The decoder repeats pixels and then convolves,
    because a transposed 3x3 convolution of stride 2 overlaps unevenly, which gives checkerboard
    artifacts. Or it convolves before it doubles (shuffle), which takes less time: the last
    convolution, at the full size, is most of the work of a narrow decoder. Norm and activation
    precede every convolution but the encoder's first. The output has a learned bias at every pixel.

    With latent=map the latents keep their places: at every pixel of the smallest size they are some
    channels, by a 1x1 convolution of the encoder. All other parts see them as a vector.

    References:
        Striving for Simplicity: The All Convolutional Net (Springenberg et al., 2015),
            https://arxiv.org/abs/1412.6806
        Deconvolution and Checkerboard Artifacts (Odena et al., 2016),
            https://doi.org/10.23915/distill.00003
        Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
            Neural Network (Shi et al., 2016), https://arxiv.org/abs/1609.05158, for shuffle
        High-Resolution Image Synthesis with Latent Diffusion Models (Rombach et al., 2022),
            https://arxiv.org/abs/2112.10752, for latents as a map

    Args:
        width: Channels after the first halving; each further halving doubles them.
        depth: Halvings.
        activation: Activation of the hidden layers.
        norm: Norm before each activation: none, over the batch, or over the features of an image.
        output_bias: Initial output bias of the decoder: zero, or from the mean training image.
        blocks: Residual blocks of two convolutions at each size.
        latent: Latents as a vector, or as a map: channels at every pixel of the smallest size.
        upsampling: Double an image by repeating its pixels before a convolution (repeat), or by
            making 2x2 pixels of each from the channels of a convolution (shuffle).
    """

    width: Annotated[int, Ge(1), Le(10_000)] = 16
    depth: Annotated[int, Ge(1), Le(10)] = 2
    blocks: Annotated[int, Ge(0), Le(1000)] = 0
    latent: Literal["vector", "map"] = "vector"
    upsampling: Literal["repeat", "shuffle"] = "repeat"

    @property
    def channels(self) -> list[int]:
        """Number of channels after each halving."""
        return [self.width * 2**n for n in range(self.depth)]

    def map_size(self, shape: Sequence[int]) -> tuple[int, int] | None:
        return downsampled_sizes(shape, self.depth)[-1] if self.latent == "map" else None

    def encoder(self, shape: Sequence[int], context_dim: int) -> Encoder:
        build = self.layer_builder
        sizes = self._sizes(shape)
        layers: list[nn.Module] = []
        inputs = shape[0] + context_dim
        for outputs in self.channels:
            if layers:
                layers += build.norm_activation(inputs)
            layers.append(build.convolution(inputs, outputs, stride=2))
            layers += build.residual_blocks(outputs, self.blocks)
            inputs = outputs
        layers += [*build.norm_activation(inputs), nn.Flatten()]
        features = inputs * math.prod(sizes[-1])
        return Encoder(nn.Sequential(*layers), features, False, self.map_size(shape))

    def decoder(self, latent_dim: int, shape: Sequence[int], context_dim: int) -> Decoder:
        build = self.layer_builder
        sizes = self._sizes(shape)
        channels = self.channels
        size = self.map_size(shape)
        latent_map = None if size is None else map_shape(latent_dim, size)
        layers: list[nn.Module] = []
        if latent_map is None:
            first = (channels[-1], *sizes[-1])
            layers.append(build.linear(latent_dim + context_dim, math.prod(first)))
            layers.append(nn.Unflatten(1, first))
        else:
            layers.append(build.convolution(latent_map[0] + context_dim, channels[-1]))
        for n in reversed(range(self.depth)):
            layers += build.residual_blocks(channels[n], self.blocks)
            layers += build.norm_activation(channels[n])
            convolution = build.convolution if n > 0 else last_convolution
            outputs = channels[n - 1] if n > 0 else shape[0]
            if self.upsampling == "repeat":
                layers += [nn.Upsample(sizes[n]), convolution(channels[n], outputs)]
            else:
                layers.append(SubPixel(convolution(channels[n], 4 * outputs), sizes[n]))
        return Decoder(nn.Sequential(*layers, PixelBias(shape)), shape, latent_map)

    def _sizes(self, shape: Sequence[int]) -> list[tuple[int, int]]:
        """Sizes (H, W) before the first halving and after each.

        Raises:
            ConfigError: Layer norm would normalize a single value.
        """
        sizes = downsampled_sizes(shape, self.depth)
        if self.norm == "layer" and self.width * math.prod(sizes[1]) < 2:
            raise ConfigError(
                f"norm=layer needs width=2 or more for images of {shape[1]}x{shape[2]} pixels: "
                "one value normalizes to a constant."
            )
        return sizes


@dataclass(frozen=True)
class ResNet(Conv):
    """Convolutions that halve and double the image, with residual blocks at each size.

    References:
        Identity Mappings in Deep Residual Networks (He et al., 2016),
            https://arxiv.org/abs/1603.05027

    Args:
        width: Channels after the first halving; each further halving doubles them.
        depth: Halvings.
        activation: Activation of the hidden layers.
        norm: Norm before each activation: none, over the batch, or over the features of an image.
        output_bias: Initial output bias of the decoder: zero, or from the mean training image.
        blocks: Residual blocks of two convolutions at each size.
        latent: Latents as a vector, or as a map: channels at every pixel of the smallest size.
        upsampling: Double an image by repeating its pixels before a convolution (repeat), or by
            making 2x2 pixels of each from the channels of a convolution (shuffle).
    """

    blocks: Annotated[int, Ge(0), Le(1000)] = 1


def downsampled_sizes(shape: Sequence[int], times: int) -> list[tuple[int, int]]:
    """Sizes (H, W) of an image of this shape after 0 to `times` halvings, rounded up."""
    _, height, width = shape
    return [(math.ceil(height / 2**n), math.ceil(width / 2**n)) for n in range(times + 1)]


NETWORKS: dict[str, type[Network]] = {
    "mlp": MLP,
    "conv": Conv,
    "resnet": ResNet,
}
