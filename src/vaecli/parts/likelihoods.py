"""Likelihoods `p(x | z, c)`: modules that return a distribution over images `(C, H, W)`."""

import abc
import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import torch
import torch.distributions as dist
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.distributions import Distribution

from . import pixel_distributions
from .encoder_decoder import Decoder

MIN_MEAN = 1e-3  # a pixel that is black in every training image must have a finite logit
MIN_SCALE = 1 / pixel_distributions.GREY_LEVELS  # smallest scale of a density: one grey level
# 1/16 of a grey level: a logistic in the centre of a level has all but 1e-3 of its mass in it.
MIN_LOGISTIC_SCALE = 1 / 4096

BINARIZED_PIXELS = {  # by the value of --binarize
    "dynamic": "randomly binarized pixels (in evaluation drawn once per seed)",
    "threshold": "pixels that are white if brighter than half, else black",
}

MakeDecoder = Callable[[int], Decoder]


class Likelihood(nn.Module, abc.ABC):
    """Base class: a decoder with a pixel distribution, which the subclass defines.

    Args:
        make_decoder: Makes the decoder, given the number of parameters per pixel. The decoder maps
            z, shape `(N, D)`, and c to parameters, shape `(N, params_per_pixel * C, H, W)`.
        params_per_pixel: Number of parameters of the distribution of one pixel and channel.

    Attributes:
        normalizes_grey: Whether grey pixels have a probability or a density, which sums or
            integrates to one over all pixels.
    """

    normalizes_grey: ClassVar[bool] = True

    def __init__(self, make_decoder: MakeDecoder, params_per_pixel: int) -> None:
        super().__init__()
        self.decoder = make_decoder(params_per_pixel)
        self.params_per_pixel = params_per_pixel

    def forward(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        """Decode latents, shape `(*batch, D)`; c, shape `(B, E)`, is expanded to `(*batch, E)`."""
        batch = z.shape[:-1]
        if c is not None:
            c = c.expand(*batch, -1).flatten(0, -2)
        output = self.decoder(z.flatten(0, -2), c).unflatten(0, batch)
        output = output.float()  # bf16 is too coarse for a density
        params: tuple[Tensor, ...] = (output,)
        if self.params_per_pixel > 1:  # chunk(1) would copy the gradient
            params = output.chunk(self.params_per_pixel, dim=-3)
        return dist.Independent(self.pixel_distribution(*params), 3, validate_args=False)

    @abc.abstractmethod
    def pixel_distribution(self, *params: Tensor) -> Distribution:
        """The distribution of every pixel, from parameters of shape `(*batch, C, H, W)` each."""

    @abc.abstractmethod
    def params_for_mean(self, mean: Tensor) -> Tensor:
        """Parameters, shape `(params_per_pixel * C, H, W)`, of pixels with about this mean.

        Args:
            mean: Shape `(C, H, W)`, in [0, 1].
        """

    @abc.abstractmethod
    def protocol(self, binarize: str) -> str:
        """How pixels are scored, as one phrase for log and JSON.

        Args:
            binarize: Value of `Config.binarize`.
        """

    def is_normalized(self, binarize: str) -> bool:
        """Whether pixels have a probability or a density, and not only a loss.

        Args:
            binarize: Value of `Config.binarize`.
        """
        return self.normalizes_grey or binarize != "none"

    def initialize_to_mean(self, mean: Tensor) -> None:
        """Make the untrained decoder give about this image, shape `(C, H, W)`, in [0, 1]."""
        params = self.params_for_mean(mean)
        self.decoder.set_output_bias(params)


def density_protocol(binarize: str) -> str:
    """The protocol of a likelihood with a density, whose distortion can be negative."""
    pixels = {"none": "grey pixels in [0, 1]", **BINARIZED_PIXELS}[binarize]
    return f"a density, not dequantized, of {pixels}: the loss can be negative"


class BernoulliLikelihood(Likelihood):
    """Pixels that are 0 or 1, from logits.

    The distortion of grey pixels x in [0, 1] is the binary cross-entropy,
    -x log p - (1 - x) log(1 - p). It is a loss, not a likelihood: compare it only with other losses
    of this kind.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    """

    normalizes_grey = False

    def __init__(self, make_decoder: MakeDecoder) -> None:
        super().__init__(make_decoder, params_per_pixel=1)

    def pixel_distribution(self, *params: Tensor) -> Distribution:
        (logits,) = params
        return pixel_distributions.Bernoulli(logits)

    def params_for_mean(self, mean: Tensor) -> Tensor:
        return mean.clamp(MIN_MEAN, 1 - MIN_MEAN).logit()

    def protocol(self, binarize: str) -> str:
        if binarize == "none":
            return "grey pixels under a Bernoulli: a loss, not a probability"
        return f"a probability of {BINARIZED_PIXELS[binarize]}"


class ContinuousBernoulliLikelihood(Likelihood):
    """Grey pixels in [0, 1], with the Bernoulli's formula normalized to a density.

    References:
        The continuous Bernoulli: fixing a pervasive error in variational autoencoders
            (Loaiza-Ganem & Cunningham, 2019), https://arxiv.org/abs/1907.06845
    """

    def __init__(self, make_decoder: MakeDecoder) -> None:
        super().__init__(make_decoder, params_per_pixel=1)

    def pixel_distribution(self, *params: Tensor) -> Distribution:
        (logits,) = params
        return pixel_distributions.ContinuousBernoulli(logits)

    def params_for_mean(self, mean: Tensor) -> Tensor:
        # by bisection between logits of -50 and 50, whose means are 0.02 and 0.98
        low = torch.full_like(mean, -50)
        high = torch.full_like(mean, 50)
        for _ in range(30):
            middle = (low + high) / 2
            below = pixel_distributions.ContinuousBernoulli(middle).mean < mean
            low = torch.where(below, middle, low)
            high = torch.where(below, high, middle)
        return low

    def protocol(self, binarize: str) -> str:
        return density_protocol(binarize)


def bounded_scale(raw: Tensor, min_scale: float) -> Tensor:
    """A scale between `min_scale` and 1; a raw value of 0 gives their geometric mean.

    Without a lower bound, the density of pixels that are black in every image becomes infinite. A
    clamp is not used for the bounds, because it has no gradient beyond them.
    """
    return torch.exp(math.log(min_scale) * torch.sigmoid(-raw))


class LocationScaleLikelihood(Likelihood):
    """Base class: a symmetric density with a location in [0, 1] and a learned scale.

    Attributes:
        family: Class of the density; called with location and scale.
    """

    family: ClassVar[Callable[..., Distribution]]

    def __init__(
        self, make_decoder: MakeDecoder, scale: Literal["shared", "pixel"] = "shared"
    ) -> None:
        super().__init__(make_decoder, params_per_pixel=2 if scale == "pixel" else 1)
        if scale == "shared":
            self.scale = nn.Parameter(torch.zeros(()))

    def pixel_distribution(self, *params: Tensor) -> Distribution:
        loc, raw_scale = params if self.params_per_pixel == 2 else (*params, self.scale)
        return self.family(loc.sigmoid(), bounded_scale(raw_scale, MIN_SCALE), validate_args=False)

    def params_for_mean(self, mean: Tensor) -> Tensor:
        loc = mean.clamp(MIN_MEAN, 1 - MIN_MEAN).logit()
        if self.params_per_pixel == 1:
            return loc
        return torch.cat([loc, torch.zeros_like(mean)])

    def protocol(self, binarize: str) -> str:
        return density_protocol(binarize)


class GaussianLikelihood(LocationScaleLikelihood):
    """Gaussian pixels, with a mean in [0, 1] and a learned scale.

    The scale lies between 1/256 (one grey level) and 1. All pixels of all images share it
    (sigma-VAE), or the decoder outputs one for each. The paper also computes the optimal scale from
    each batch. That is not a valid likelihood for new images, so here the shared scale is a learned
    parameter.

    References:
        Simple and Effective VAE Training with Calibrated Decoders (Rybkin et al., 2021),
            https://arxiv.org/abs/2006.13202

    Args:
        scale: One learned scale for all pixels (shared), or one for each pixel (pixel).
    """

    family = dist.Normal


class LaplaceLikelihood(LocationScaleLikelihood):
    """Laplace pixels, with a median in [0, 1] and a learned scale.

    The distortion contains the absolute error, which blurs edges less than the squared error. The
    scale lies between 1/256 (one grey level) and 1.

    References:
        Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017),
            https://arxiv.org/abs/1611.07004, on what the absolute error does to edges

    Args:
        scale: One learned scale for all pixels (shared), or one for each pixel (pixel).
    """

    family = dist.Laplace


class LogisticLikelihood(Likelihood):
    """Probabilities of 256 grey levels: a discretized logistic, or a mixture of them.

    The tails of the logistic count as black and white, so that the probabilities sum to one. A
    location of 0 is black and 1 is white; locations may lie outside [0, 1]. Scales lie between
    1/4096 and 1. Channels are independent given z.

    References:
        Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
            https://arxiv.org/abs/1606.04934
        PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other
            Modifications (Salimans et al., 2017), https://arxiv.org/abs/1701.05517, for mixtures

    Args:
        components: Logistics in the mixture of each pixel.
    """

    def __init__(
        self,
        make_decoder: MakeDecoder,
        components: Annotated[int, Ge(1), Le(100)] = 1,
    ) -> None:
        # location, scale and weight of each; a single component has no weight
        super().__init__(make_decoder, params_per_pixel=2 if components == 1 else 3 * components)
        self.components = components

    def pixel_distribution(self, *params: Tensor) -> Distribution:
        loc, scale, *weights = torch.stack(params, dim=-1).split(self.components, dim=-1)
        loc = 0.5 + loc / 4  # slope and value of a sigmoid at 0, but without bounds
        scale = bounded_scale(scale, MIN_LOGISTIC_SCALE)
        levels = pixel_distributions.DiscretizedLogistic(loc, scale)
        logits = weights[0] if weights else torch.zeros_like(loc)
        chosen = dist.Categorical(logits=logits, validate_args=False)
        return dist.MixtureSameFamily(chosen, levels, validate_args=False)

    def params_for_mean(self, mean: Tensor) -> Tensor:
        locations = [4 * (mean - 0.5)] * self.components
        others = [torch.zeros_like(mean)] * (self.params_per_pixel - self.components)
        return torch.cat([*locations, *others])

    def protocol(self, binarize: str) -> str:
        pixels = "pixels" if binarize == "none" else BINARIZED_PIXELS[binarize]
        return f"a probability, among 256 grey levels, of {pixels}"


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": BernoulliLikelihood,
    "continuous-bernoulli": ContinuousBernoulliLikelihood,
    "gaussian": GaussianLikelihood,
    "laplace": LaplaceLikelihood,
    "logistic": LogisticLikelihood,
}
