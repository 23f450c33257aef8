"""Likelihoods `p(x | z, c)`: modules that return a distribution over images `(C, H, W)`."""

import abc
import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import torch
import torch.distributions as dist
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from . import pixel_distributions as pixels
from .networks import Decoder

DARKEST = 1e-3  # mean of a pixel that no training image lights: its logit must be finite
NARROWEST = 1 / pixels.LEVELS  # scale of a density: one grey level
NARROWEST_LOGISTIC = 1 / 4096  # 1 / 16 of a grey level: all but 1e-3 of the mass is in one

BINARY = {  # what --binarize makes of grey pixels
    "dynamic": "pixels drawn black or white by their brightness, anew at every reading",
    "threshold": "pixels that are white if brighter than half, else black",
}

MakeDecoder = Callable[[int], Decoder]


class Likelihood(nn.Module, abc.ABC):
    """A decoder and a family of pixel distributions (the subclass).

    Args:
        decoder: Makes what maps `(z, c)`, with z of shape `(N, D)`, to maps, shape
            `(N, maps * C, H, W)`, given their number.
        maps: Numbers that the family needs for each pixel and channel.
    """

    def __init__(self, decoder: MakeDecoder, maps: int) -> None:
        super().__init__()
        self.decoder, self.maps = decoder(maps), maps

    def forward(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        """Decode latents, shape `(*batch, D)`; c, shape `(B, E)`, broadcasts on the left."""
        batch = z.shape[:-1]
        if c is not None:
            c = c.expand(*batch, -1).flatten(0, -2)
        maps = self.decoder(z.flatten(0, -2), c).unflatten(0, batch).float()  # bf16 is too coarse
        each = maps.chunk(self.maps, dim=-3) if self.maps > 1 else (maps,)  # a chunk is a copy
        return Independent(self.pixels(*each), 3, validate_args=False)

    @abc.abstractmethod
    def pixels(self, *maps: Tensor) -> Distribution:
        """The distribution of every pixel, from maps, each of shape `(*batch, C, H, W)`."""

    @abc.abstractmethod
    def maps_for(self, mean: Tensor) -> Tensor:
        """Maps, shape `(maps * C, H, W)`, that give pixels about the mean, shape `(C, H, W)`."""

    @abc.abstractmethod
    def protocol(self, binarize: str) -> str:
        """One clause on what the distortion of pixels, binarized in this way, means."""

    def start_at(self, mean: Tensor) -> None:
        """Let the untrained decoder give about this image, shape `(C, H, W)`, in [0, 1]."""
        self.decoder.set_output_bias(self.maps_for(mean))


def density_protocol(binarize: str) -> str:
    """The protocol of every density on the unit interval, or around it."""
    if binarize == "none":
        return "a density of grey pixels in [0, 1]: can be negative"
    return f"a density, not a probability, of {BINARY[binarize]}: can be negative"


class Bernoulli(Likelihood):
    """Pixels that are 0 or 1, from their logits.

    A grey pixel x in [0, 1] is scored by the same formula, as if it were x of a white and 1 - x of
    a black one. That is a loss, not a likelihood: compare it with itself only.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    """

    def __init__(self, decoder: MakeDecoder) -> None:
        super().__init__(decoder, maps=1)

    def pixels(self, *maps: Tensor) -> Distribution:
        (logits,) = maps
        return pixels.Bernoulli(logits)

    def maps_for(self, mean: Tensor) -> Tensor:
        return mean.clamp(DARKEST, 1 - DARKEST).logit()

    def protocol(self, binarize: str) -> str:
        if binarize == "none":
            return "grey pixels under a Bernoulli: a loss, not a likelihood"
        return f"a probability of {BINARY[binarize]}"


class ContinuousBernoulli(Likelihood):
    """Grey pixels in [0, 1] with the density that makes a likelihood of the Bernoulli's loss.

    References:
        The continuous Bernoulli: fixing a pervasive error in variational autoencoders
            (Loaiza-Ganem & Cunningham, 2019), https://arxiv.org/abs/1907.06845
    """

    def __init__(self, decoder: MakeDecoder) -> None:
        super().__init__(decoder, maps=1)

    def pixels(self, *maps: Tensor) -> Distribution:
        (logits,) = maps
        return pixels.ContinuousBernoulli(logits)

    def maps_for(self, mean: Tensor) -> Tensor:
        """By bisection, between logits of -50 and 50, whose means are 0.02 and 0.98."""
        low, high = torch.full_like(mean, -50), torch.full_like(mean, 50)
        for _ in range(30):
            middle = (low + high) / 2
            darker = pixels.ContinuousBernoulli(middle).mean < mean
            low, high = torch.where(darker, middle, low), torch.where(darker, high, middle)
        return low

    def protocol(self, binarize: str) -> str:
        return density_protocol(binarize)


def bounded_scale(raw: Tensor, narrowest: float) -> Tensor:
    """A scale between `narrowest` and 1; a raw value of 0 gives their geometric mean.

    Without a lower bound, pixels that are black in every image give an infinite density, and with
    an abrupt one what lies beyond it would no longer learn.
    """
    return torch.exp(math.log(narrowest) * torch.sigmoid(-raw))


class Symmetric(Likelihood):
    """A density that falls on both sides of a location in [0, 1], with a learned scale.

    Attributes:
        family: Makes the density from location and scale.
    """

    family: ClassVar[Callable[..., Distribution]]

    def __init__(self, decoder: MakeDecoder, scale: Literal["shared", "pixel"] = "shared") -> None:
        super().__init__(decoder, maps=2 if scale == "pixel" else 1)
        if scale == "shared":
            self.scale = nn.Parameter(torch.zeros(()))

    def pixels(self, *maps: Tensor) -> Distribution:
        loc, scale = maps if self.maps == 2 else (*maps, self.scale)
        return self.family(loc.sigmoid(), bounded_scale(scale, NARROWEST), validate_args=False)

    def maps_for(self, mean: Tensor) -> Tensor:
        logits = mean.clamp(DARKEST, 1 - DARKEST).logit()
        return torch.cat([logits, *[torch.zeros_like(mean)] * (self.maps - 1)])

    def protocol(self, binarize: str) -> str:
        return density_protocol(binarize)


class Gaussian(Symmetric):
    """Normal pixels, whose mean is held to [0, 1] and whose scale is learned.

    The scale lies between 1/256, a grey level, and 1. It is shared by all pixels of all images
    (sigma-VAE), or given by the decoder for each. The optimal scale of the paper is a function of
    the images that it scores, and so no likelihood of new ones: the shared scale learns its value.

    References:
        Simple and Effective VAE Training with Calibrated Decoders (Rybkin et al., 2021),
            https://arxiv.org/abs/2006.13202

    Args:
        scale: One learned number for all pixels (shared), or one for each (pixel).
    """

    family = dist.Normal


class Laplace(Symmetric):
    """Laplace pixels, whose median is held to [0, 1] and whose scale is learned.

    Its loss is the absolute error, which blurs edges less than the squared one. The scale lies
    between 1/256, a grey level, and 1.

    References:
        Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017),
            https://arxiv.org/abs/1611.07004, on what the absolute error does to edges

    Args:
        scale: One learned number for all pixels (shared), or one for each (pixel).
    """

    family = dist.Laplace


class Logistic(Likelihood):
    """Probabilities of 256 grey levels: a logistic, or a mixture of them, in equal bins.

    Black and white take the tails, so that the levels' probabilities sum to one. Location 0 is
    black, 1 is white, and those beyond are allowed; scales lie between 1/4096 and 1. Channels are
    independent given z.

    References:
        Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
            https://arxiv.org/abs/1606.04934
        PixelCNN++ (Salimans et al., 2017), https://arxiv.org/abs/1701.05517, for mixtures

    Args:
        mixtures: Components of the mixture at every pixel.
    """

    def __init__(self, decoder: MakeDecoder, mixtures: Annotated[int, Ge(1), Le(100)] = 1) -> None:
        # A location, a scale and a weight for each; one alone has no weight to choose.
        super().__init__(decoder, maps=2 if mixtures == 1 else 3 * mixtures)
        self.mixtures = mixtures

    def pixels(self, *maps: Tensor) -> Distribution:
        loc, scale, *weights = torch.stack(maps, dim=-1).split(self.mixtures, dim=-1)
        loc = 0.5 + loc / 4  # as steep as a sigmoid in its middle, but without ends
        levels = pixels.DiscretizedLogistic(loc, bounded_scale(scale, NARROWEST_LOGISTIC))
        (logits,) = weights or (torch.zeros_like(loc),)
        chosen = dist.Categorical(logits=logits, validate_args=False)
        return dist.MixtureSameFamily(chosen, levels, validate_args=False)

    def maps_for(self, mean: Tensor) -> Tensor:
        loc = [4 * (mean - 0.5)] * self.mixtures
        return torch.cat([*loc, *[torch.zeros_like(mean)] * (self.maps - self.mixtures)])

    def protocol(self, binarize: str) -> str:
        what = "pixels" if binarize == "none" else BINARY[binarize]
        return f"a probability, among 256 grey levels, of {what}"


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "continuous-bernoulli": ContinuousBernoulli,
    "gaussian": Gaussian,
    "laplace": Laplace,
    "logistic": Logistic,
}
