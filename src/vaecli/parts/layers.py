"""What networks are built of: layers begun well, norms, and steps down and up in resolution."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)
ActivationName = Literal["relu", "tanh", "softplus", "silu", "gelu", "leaky-relu"]
NormName = Literal["none", "batch", "layer"]

# Each with its gain: E[f(u)^2]^(-1/2), where u is standard normal. Smooth rectifiers take that of
# the sharp one: their own would let large signals grow without end.
ACTIVATIONS: dict[ActivationName, tuple[Callable[[], nn.Module], float]] = {
    "relu": (nn.ReLU, math.sqrt(2)),
    "tanh": (nn.Tanh, 1.592537),
    "softplus": (nn.Softplus, 1.041867),
    "silu": (nn.SiLU, math.sqrt(2)),
    "gelu": (nn.GELU, math.sqrt(2)),
    "leaky-relu": (nn.LeakyReLU, math.sqrt(2 / (1 + 0.01**2))),
}


@dataclass(frozen=True)
class Style:
    """How all layers of a network begin, are normed and bent.

    The gain of an activation makes up for what it takes from the second moment of its input, so
    that signals do not explode with depth, nor fade as quickly as torch's own default lets them.
    The first paper derives it for rectifiers; the same argument gives that of the others.

    References:
        Delving Deep into Rectifiers (He et al., 2015), https://arxiv.org/abs/1502.01852
        Batch Normalization (Ioffe & Szegedy, 2015), https://arxiv.org/abs/1502.03167
        Layer Normalization (Ba et al., 2016), https://arxiv.org/abs/1607.06450
    """

    activation: ActivationName = "relu"
    norm: NormName = "none"

    def linear(self, inputs: int, outputs: int) -> nn.Linear:
        """A layer for what `bend` gives, or for what it is given to."""
        return self._begin(nn.Linear(inputs, outputs, bias=self.norm == "none"))

    def convolution(self, inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
        """The same for images: 3x3, and of n pixels to a side it leaves `ceil(n / stride)`."""
        bias = self.norm == "none"  # a norm has its own, and would take this one off
        return self._begin(nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=bias))

    def bend(self, channels: int) -> list[nn.Module]:
        """The norm, if any, and the activation of `channels`."""
        activation, _ = ACTIVATIONS[self.activation]
        if self.norm == "none":
            return [activation()]
        # One group of all channels: each image's features are normed together.
        norm = BatchNorm(channels) if self.norm == "batch" else nn.GroupNorm(1, channels)
        return [norm, activation()]

    def dense(self, sizes: Sequence[int]) -> nn.Sequential:
        """Linear layers between these sizes, each bent."""
        pairs = itertools.pairwise(sizes)
        return nn.Sequential(*(m for a, b in pairs for m in (self.linear(a, b), *self.bend(b))))

    def residuals(self, channels: int, blocks: int) -> list[nn.Module]:
        """`blocks` residual blocks, each of two convolutions of what was bent."""

        def bent() -> list[nn.Module]:
            return [*self.bend(channels), self.convolution(channels, channels)]

        return [Residual(*bent(), *bent()) for _ in range(blocks)]

    def _begin(self, layer: Layer) -> Layer:
        fan_in = layer.weight[0].numel()
        bound = math.sqrt(3) * (ACTIVATIONS[self.activation][1] / math.sqrt(fan_in))
        nn.init.uniform_(layer.weight, -bound, bound)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        return layer


class BatchNorm(nn.Module):
    """Each channel, shape `(N, C, ...)`, at mean 0 and variance 1 over the batch and its pixels.

    One value has no variance: a batch with one for each channel, such as the last of a pass may be,
    is normed by the running averages, as all are in evaluation, and leaves them as they are.
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
        by_batch = self.training and h[:, 0].numel() > 1
        return F.batch_norm(h, self.mean, self.variance, self.scale, self.shift, by_batch)


class Residual(nn.Module):
    """`h` plus what layers make of it, scaled so that the variance stays.

    References:
        Identity Mappings in Deep Residual Networks (He et al., 2016),
            https://arxiv.org/abs/1603.05027
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.net = nn.Sequential(*layers)

    def forward(self, h: Tensor) -> Tensor:
        changed: Tensor = self.net(h)
        return (h + changed) * math.sqrt(0.5)


class BiasMap(nn.Module):
    """Adds a learned number at every pixel and channel."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(*shape))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.bias
