"""Building blocks of networks: initialized layers, norms, residual blocks, pixel biases."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..system import processes

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)
ActivationName = Literal["relu", "tanh", "softplus", "silu", "gelu", "leaky-relu"]
NormName = Literal["none", "batch", "layer"]

# Each activation f with its gain E[f(u)^2]^(-1/2), where u is standard normal. SiLU and GELU use
# ReLU's gain: with their own, large activations would grow from layer to layer.
ACTIVATIONS: dict[ActivationName, tuple[Callable[[], nn.Module], float]] = {
    "relu": (nn.ReLU, math.sqrt(2)),
    "tanh": (nn.Tanh, 1.592537),
    "softplus": (nn.Softplus, 1.041867),
    "silu": (nn.SiLU, math.sqrt(2)),
    "gelu": (nn.GELU, math.sqrt(2)),
    "leaky-relu": (nn.LeakyReLU, math.sqrt(2 / (1 + 0.01**2))),
}


@dataclass(frozen=True)
class LayerBuilder:
    """Makes the hidden layers of a network: initialization, norm and activation.

    Weights are uniform with variance `gain^2 / fan_in`. The gain compensates for the change of the
    second moment by the activation, so that signals do not explode with depth, nor vanish as
    quickly as with torch's default. The first paper derives it for rectifiers; the same argument
    gives the gains of tanh and softplus. SiLU and GELU use that of ReLU, see `ACTIVATIONS`.

    References:
        Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet Classification
            (He et al., 2015), https://arxiv.org/abs/1502.01852
        Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift
            (Ioffe & Szegedy, 2015), https://arxiv.org/abs/1502.03167
        Layer Normalization (Ba et al., 2016), https://arxiv.org/abs/1607.06450
    """

    activation: ActivationName = "relu"
    norm: NormName = "none"

    @property
    def has_bias(self) -> bool:
        """Whether layers have a bias: not before a norm, which has its own bias."""
        return self.norm == "none"

    def linear(self, inputs: int, outputs: int) -> nn.Linear:
        """A linear layer, initialized for this activation."""
        return self._initialize(nn.Linear(inputs, outputs, bias=self.has_bias))

    def convolution(self, inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
        """A 3x3 convolution, initialized in the same way; n pixels become `ceil(n / stride)`."""
        layer = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=self.has_bias)
        return self._initialize(layer)

    def norm_activation(self, channels: int) -> list[nn.Module]:
        """The norm of `channels` channels, if there is one, and the activation."""
        activation, _ = ACTIVATIONS[self.activation]
        if self.norm == "none":
            return [activation()]
        if self.norm == "batch":
            return [BatchNorm(channels), activation()]
        # layer norm is group norm with one group: over all features of an image
        return [nn.GroupNorm(1, channels), activation()]

    def mlp(self, sizes: Sequence[int]) -> nn.Sequential:
        """Linear layers between these sizes, each with norm and activation."""
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [self.linear(inputs, outputs), *self.norm_activation(outputs)]
        return nn.Sequential(*layers)

    def residual_blocks(self, channels: int, blocks: int) -> list[nn.Module]:
        """`blocks` residual blocks of two convolutions, each after a norm and an activation."""
        return [
            ResidualBlock(
                *self.norm_activation(channels),
                self.convolution(channels, channels),
                *self.norm_activation(channels),
                self.convolution(channels, channels),
            )
            for _ in range(blocks)
        ]

    def _initialize(self, layer: Layer) -> Layer:
        """Draw the weights with the gain of the activation, and set the biases to 0."""
        fan_in = layer.weight[0].numel()
        bound = math.sqrt(3) * (ACTIVATIONS[self.activation][1] / math.sqrt(fan_in))
        nn.init.uniform_(layer.weight, -bound, bound)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        return layer


MOMENTUM = 0.1  # of the running averages; like EPSILON the default of `F.batch_norm`
EPSILON = 1e-5


class BatchNorm(nn.Module):
    """Batch normalization over the images and pixels of a batch, for inputs `(N, C, ...)`.

    If several processes share the batch, the statistics are those of the whole batch. With one
    value per channel (for example a last batch of one image) there is no variance: the running
    averages are used, as in evaluation, and not updated.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, h: Tensor) -> Tensor:
        values = processes.batch_rows(h[:, 0].numel())  # in each channel
        use_batch = self.training and values > 1
        if use_batch and values > h[:, 0].numel():
            return self._over_processes(h, values)
        return F.batch_norm(h, self.mean, self.variance, self.scale, self.shift, use_batch)

    def _over_processes(self, h: Tensor, values: int) -> Tensor:
        """As `F.batch_norm`, which reads only the images of one process."""
        other_dims = [0, *range(2, h.dim())]
        x = h.to(self.scale.dtype)
        mean = processes.sum_rows(x.sum(other_dims, keepdim=True)) / values
        centred = x - mean
        squared = centred.square().sum(other_dims, keepdim=True)
        variance = processes.sum_rows(squared) / values
        with torch.no_grad():
            self.mean.lerp_(mean.flatten(), MOMENTUM)
            self.variance.lerp_(variance.flatten() * values / (values - 1), MOMENTUM)
        scale = self.scale.view_as(mean) * (variance + EPSILON).rsqrt()
        return (centred * scale + self.shift.view_as(mean)).to(h.dtype)


class ResidualBlock(nn.Module):
    """`(h + layers(h)) / sqrt(2)`: the sum keeps about the variance of h.

    References:
        Identity Mappings in Deep Residual Networks (He et al., 2016),
            https://arxiv.org/abs/1603.05027
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.net = nn.Sequential(*layers)

    def forward(self, h: Tensor) -> Tensor:
        residual: Tensor = self.net(h)
        return (h + residual) * math.sqrt(0.5)


def last_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution that no activation follows, with torch's initial weights and no bias."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


class SubPixel(nn.Module):
    """Doubles an image: four channels of a convolution become 2x2 pixels of one channel.

    At first all four have the same weights, so that no checkerboard is in the first outputs.

    References:
        Checkerboard artifact free sub-pixel convolution (Aitken et al., 2017),
            https://arxiv.org/abs/1707.02937

    Args:
        convolution: Gives 4 channels for each output channel; its initial weights are changed.
        size: Size (H, W) of the output: twice that of the input, or one less.
    """

    def __init__(self, convolution: nn.Conv2d, size: tuple[int, int]) -> None:
        super().__init__()
        self.convolution = convolution
        self.size = size
        with torch.no_grad():
            first = convolution.weight[::4]
            convolution.weight.copy_(first.repeat_interleave(4, dim=0))

    def forward(self, h: Tensor) -> Tensor:
        height, width = self.size
        return F.pixel_shuffle(self.convolution(h), 2)[..., :height, :width]


class PixelBias(nn.Module):
    """Adds a learned bias at every channel and pixel of images of this shape, (C, H, W)."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(*shape))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias
