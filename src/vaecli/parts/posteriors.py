"""Approximate posteriors `q(z | x, c)`: modules that return a distribution over `(D,)` vectors."""

import abc
from functools import partial
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.distributions import Distribution

from ..config import Count, Layers, Units
from . import flows
from .codebooks import Quantizer
from .distributions import Delta, HierarchicalDistribution, clamped_normal
from .hierarchies import Levels, TopDownNetwork, level_sizes, precision_weighted_product
from .networks import Encoder
from .spheres import LARGEST_CONCENTRATION, VonMisesFisher, require_sphere

Space = Literal["real", "sphere", "codes"]  # R^D, the unit sphere in it, or vectors of a codebook


class Posterior(nn.Module, abc.ABC):
    """An encoder, a linear head, and a family of distributions (the subclass).

    Args:
        encoder: Maps `(x, c)` to features, shape `(B, encoder.features)`.
        latent_dim: The number of latent dimensions D.

    Attributes:
        heads: Numbers that the family needs for each latent dimension.
        space: Where latents lie: a prior must lie there too.
        has_density: It is not a deterministic code.
    """

    heads: ClassVar[int]
    space: ClassVar[Space] = "real"
    has_density: ClassVar[bool] = True

    def __init__(self, encoder: Encoder, latent_dim: int) -> None:
        super().__init__()
        self.encoder, self.latent_dim = encoder, latent_dim
        self.head = nn.Linear(encoder.features, self.heads * latent_dim)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        heads = self.head(self.encoder(x, c)).float()  # bf16 is too coarse for a density
        return self.distribution(*heads.chunk(self.heads, dim=-1))

    @abc.abstractmethod
    def distribution(self, *heads: Tensor) -> Distribution:
        """The distribution with these parameters, each of shape `(B, D)`."""


class Gaussian(Posterior):
    """Normal with independent dimensions.

    The first half of the head is the mean, the second the log-variance, held within [-20, 20].

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    """

    heads = 2

    def distribution(self, *heads: Tensor) -> Distribution:
        return clamped_normal(*heads)


class Dirac(Posterior):
    """A deterministic code, as of a plain autoencoder.

    References:
        Reducing the Dimensionality of Data with Neural Networks (Hinton & Salakhutdinov, 2006),
            https://doi.org/10.1126/science.1127647
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020),
            https://arxiv.org/abs/1903.12436
    """

    heads = 1
    has_density = False

    def distribution(self, *heads: Tensor) -> Distribution:
        (code,) = heads
        return Delta(code)


class Warped(Posterior):
    """A normal warped by a flow (the subclass), which reads a third head of the encoder."""

    heads = 3
    flow: flows.Flow

    def distribution(self, *heads: Tensor) -> Distribution:
        return flows.FlowDistribution(clamped_normal(heads[0], heads[1]), self.flow, heads[2])


class Flow(Warped):
    """A normal warped by affine couplings, which read a third head of the encoder.

    References:
        Density estimation using Real NVP (Dinh et al., 2017), https://arxiv.org/abs/1605.08803
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015),
            https://arxiv.org/abs/1505.05770

    Args:
        depth: Couplings.
        width: Hidden units in each.
    """

    def __init__(
        self, encoder: Encoder, latent_dim: int, depth: Layers = 4, width: Units = 64
    ) -> None:
        super().__init__(encoder, latent_dim)
        self.flow = flows.real_nvp(latent_dim, latent_dim, depth, width)


class Planar(Warped):
    """A normal warped by planar maps, whose parameters come from a third head of the encoder.

    References:
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015),
            https://arxiv.org/abs/1505.05770

    Args:
        depth: Maps.
    """

    def __init__(self, encoder: Encoder, latent_dim: int, depth: Layers = 8) -> None:
        super().__init__(encoder, latent_dim)
        self.flow = flows.ComposedFlow(
            flows.PlanarFlow(latent_dim, latent_dim) for _ in range(depth)
        )


class IAF(Warped):
    """A normal warped by inverse autoregressive maps, which read a third head of the encoder.

    References:
        Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
            https://arxiv.org/abs/1606.04934

    Args:
        depth: Maps; the order of the latent dimensions reverses after each.
        width: Hidden units in each.
    """

    def __init__(
        self, encoder: Encoder, latent_dim: int, depth: Layers = 2, width: Units = 128
    ) -> None:
        super().__init__(encoder, latent_dim)
        self.flow = flows.ComposedFlow(
            flows.AutoregressiveFlow(latent_dim, latent_dim, width) for _ in range(depth)
        )


class Quantized(Posterior):
    """The nearest vectors of a learned codebook, with the gradient passed straight through.

    In training, a code that falls out of use moves to a vector of the batch.

    References:
        Neural Discrete Representation Learning (van den Oord et al., 2017),
            https://arxiv.org/abs/1711.00937
        SoundStream (Zeghidour et al., 2021), https://arxiv.org/abs/2107.03312, for levels > 1

    Args:
        codes: Vectors in a codebook.
        dim: Length of each; the latent dimensions are cut into vectors of this length.
        commitment: Weight of what pulls the encoder to its codes.
        levels: Codebooks, each for what the one before leaves.
    """

    heads = 1
    space = "codes"

    def __init__(
        self,
        encoder: Encoder,
        latent_dim: int,
        codes: Annotated[int, Ge(2), Le(65_536)] = 64,
        dim: Count = 2,
        commitment: Annotated[float, Ge(0), Le(1e6)] = 0.25,
        levels: Annotated[int, Ge(1), Le(32)] = 1,
    ) -> None:
        super().__init__(encoder, latent_dim)
        self.commitment, self.quantizer = commitment, Quantizer(latent_dim, levels, codes, dim)

    def distribution(self, *heads: Tensor) -> Distribution:
        (z,) = heads
        code, on_codes, on_latents = self.quantizer(z)
        # The value is exactly the code, and has the gradient of z.
        value = code + (z - z.detach())
        return Delta(value, on_codes + self.commitment * on_latents, discrete=True)


class Levelled(Posterior):
    """Levels of latents with a network between them; the decoder reads all.

    Args:
        encoder: As of every posterior.
        latent_dim: Of all levels together.
        levels: From 2 to 5; they share the latent dimensions evenly.
        width: Hidden units of the network between levels.

    Attributes:
        seen: How many of the heads the network is given beside the levels above.
        sizes: Latent dimensions of every level.
    """

    heads = 2
    seen: ClassVar[int]

    def __init__(
        self, encoder: Encoder, latent_dim: int, levels: Levels = 2, width: Units = 64
    ) -> None:
        super().__init__(encoder, latent_dim)
        self.sizes = level_sizes(latent_dim, levels)
        self.top_down = TopDownNetwork(self.sizes, self.seen * latent_dim, width)


class Hierarchical(Levelled):
    """Levels of normals, each given the image and all levels above it; the decoder reads all.

    References:
        VAE with a VampPrior (Tomczak & Welling, 2018), https://arxiv.org/abs/1705.07120
        Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282

    Args:
        levels: From 2 to 5; they share the latent dimensions evenly.
        width: Hidden units of the network between levels.
    """

    seen = 2

    def distribution(self, *heads: Tensor) -> Distribution:
        first = clamped_normal(*(head[..., : self.sizes[0]] for head in heads))
        return HierarchicalDistribution(
            first, self.top_down.conditionals(torch.cat(heads, dim=-1)), self.sizes
        )


class Ladder(Levelled):
    """Levels of normals that merge what the image says with what the prior says, by precision.

    The encoder is the way up: every level reads its last layer. The way down is the network of the
    hierarchical prior, which the two then share. The decoder reads all levels.

    References:
        Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282

    Args:
        levels: From 2 to 5; they share the latent dimensions evenly.
        width: Hidden units of the network between levels.
    """

    seen = 0

    def distribution(self, *heads: Tensor) -> Distribution:
        numbers = zip(*(head.split(self.sizes, dim=-1) for head in heads), strict=True)
        first, *rest = (clamped_normal(*level) for level in numbers)
        pairs = zip(rest, self.top_down.conditionals(), strict=True)
        return HierarchicalDistribution(
            first, [partial(precision_weighted_product, q, p) for q, p in pairs], self.sizes
        )


class VMF(Posterior):
    """Von Mises-Fisher: about a direction on the unit sphere.

    The first half of the head points in the direction; the concentration is one more than the
    softplus of the sum of the second, as in the paper, and at most 100,000.

    References:
        Hyperspherical Variational Auto-Encoders (Davidson et al., 2018),
            https://arxiv.org/abs/1804.00891
    """

    heads = 2
    space = "sphere"

    def __init__(self, encoder: Encoder, latent_dim: int) -> None:
        require_sphere(latent_dim)
        super().__init__(encoder, latent_dim)

    def distribution(self, *heads: Tensor) -> Distribution:
        direction, k = heads
        concentration = (1 + F.softplus(k.sum(-1))).clamp(max=LARGEST_CONCENTRATION)
        return VonMisesFisher(F.normalize(direction, dim=-1), concentration)


POSTERIORS: dict[str, type[Posterior]] = {
    "gaussian": Gaussian,
    "dirac": Dirac,
    "flow": Flow,
    "planar": Planar,
    "iaf": IAF,
    "quantized": Quantized,
    "hierarchical": Hierarchical,
    "ladder": Ladder,
    "vmf": VMF,
}
