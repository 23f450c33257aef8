"""Priors without learned parameters."""

import math
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from ...system.errors import ConfigError
from ..codebooks import UniformCodes
from ..distributions import DiagonalNormal, StandardNormal
from ..posteriors import Posterior, QuantizedPosterior
from ..ranges import Components
from ..spheres import UniformSphere, require_sphere
from .prior import Prior, Unregistered

Length = Annotated[float, Ge(1e-3), Le(1e3)]


class StandardNormalPrior(Prior):
    """`N(0, I)`.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    """

    zero: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        # A buffer moves with the model to its device. It is constant: checkpoints need not hold it.
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        return StandardNormal(self.zero)


class CodesPrior(Prior):
    """Uniform over all latents that the quantized posterior can produce.

    References:
        Neural Discrete Representation Learning (van den Oord et al., 2017),
            https://arxiv.org/abs/1711.00937
    """

    space = "codes"

    def __init__(self, posterior: Posterior) -> None:
        super().__init__()
        if not isinstance(posterior, QuantizedPosterior):
            raise ConfigError("The codes prior draws from a codebook: use posterior='quantized'.")
        self.quantizer = Unregistered(posterior.quantizer)

    def forward(self, c: Tensor | None = None) -> Distribution:
        quantizer = self.quantizer.module
        return UniformCodes(quantizer.codebooks, quantizer.positions)


class SpherePrior(Prior):
    """Uniform on the unit sphere.

    References:
        Hyperspherical Variational Auto-Encoders (Davidson et al., 2018),
            https://arxiv.org/abs/1804.00891
    """

    space = "sphere"
    zero: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        require_sphere(latent_dim)
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        return UniformSphere(self.zero)


class RingPrior(Prior):
    """A mixture of Gaussians whose means lie on a circle in the plane.

    Given labels, each class has one component, or several neighbouring ones.

    References:
        Adversarial Autoencoders (Makhzani et al., 2016), figure 4, https://arxiv.org/abs/1511.05644

    Args:
        components: Number of Gaussians.
        radius: Radius of the circle of the means.
        radial_std: Standard deviation of each in the direction of the radius.
        tangential_std: Standard deviation of each in the direction of the tangent.
    """

    loc: Tensor
    scale: Tensor

    def __init__(
        self,
        latent_dim: int,
        context_dim: int,
        components: Components = 10,
        radius: Length = 2.0,
        radial_std: Length = 0.5,
        tangential_std: Length = 0.2,
    ) -> None:
        super().__init__()
        _require_plane("ring", latent_dim, context_dim, components)
        angle = torch.arange(components) * (2 * math.pi / components)
        radial = torch.stack([angle.cos(), angle.sin()], dim=-1)
        tangential = torch.stack([-angle.sin(), angle.cos()], dim=-1)
        # a square root of the covariance, shape (components, 2, 2)
        root = torch.stack([radial_std * radial, tangential_std * tangential], dim=-1)
        self.register_buffer("loc", radius * radial, persistent=False)
        self.register_buffer("scale", torch.linalg.cholesky(root @ root.mT), persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        normals = MultivariateNormal(self.loc, scale_tril=self.scale, validate_args=False)
        return class_mixture(normals, c)


class SwissRollPrior(Prior):
    """A mixture of many narrow Gaussians, evenly spaced along a spiral in the plane.

    Given labels, each class has a section of the spiral, the first class the innermost.

    References:
        Adversarial Autoencoders (Makhzani et al., 2016), figure 4, https://arxiv.org/abs/1511.05644

    Args:
        components: Number of Gaussians.
        radius: Distance of the spiral's outer end from the origin.
        turns: Turns of the spiral about the origin.
        std: Standard deviation of every Gaussian.
    """

    loc: Tensor
    log_var: Tensor

    def __init__(
        self,
        latent_dim: int,
        context_dim: int,
        components: Components = 200,
        radius: Length = 3.0,
        turns: Length = 2.0,
        std: Length = 0.1,
    ) -> None:
        super().__init__()
        _require_plane("swiss-roll", latent_dim, context_dim, components)
        # The length of the spiral grows about as the square of its radius: the square root spaces
        # the points evenly.
        fraction = ((torch.arange(components) + 0.5) / components).sqrt()
        angle = 2 * math.pi * turns * fraction
        direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
        loc = radius * fraction.unsqueeze(-1) * direction
        log_var = torch.full_like(loc, 2 * math.log(std))
        self.register_buffer("loc", loc, persistent=False)
        self.register_buffer("log_var", log_var, persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        return class_mixture(DiagonalNormal(self.loc, self.log_var), c)


def _require_plane(name: str, latent_dim: int, context_dim: int, components: int) -> None:
    """Raise a `ConfigError` unless latents have 2 dimensions and every class has a component."""
    if latent_dim != 2:
        raise ConfigError(f"The {name} prior lies in a plane: use latent_dim=2, not {latent_dim}.")
    if context_dim > components:
        raise ConfigError(
            f"{context_dim} classes need prior='{name}:components={context_dim}' or more."
        )


def class_mixture(components: Distribution, c: Tensor | None) -> Distribution:
    """The equal mixture of all components, or, for each image, of the components of its class.

    Args:
        components: Distributions of batch shape `(K,)`. Each class has an equal number of them, up
            to rounding: the first class the first ones, and so on.
        c: Labels, one-hot, shape `(B, classes)`; a row of zeros is an unknown label, which may be
            of any class.

    Returns:
        A distribution of batch shape `(B,)`, or `()` without labels.
    """
    count = components.batch_shape[0]
    if c is None:
        weights = torch.ones(count, device=components.mean.device)
    else:
        classes = c.shape[-1]
        if count < classes:
            raise ConfigError(f"{classes} classes need a prior with components={classes} or more.")
        possible = torch.where(c.sum(-1, keepdim=True) > 0, c, 1.0)
        class_of_component = torch.arange(count, device=c.device) * classes // count
        weights = possible[..., class_of_component]
        components = components.expand((*c.shape[:-1], count))
    chosen = Categorical(logits=weights.log(), validate_args=False)
    return MixtureSameFamily(chosen, components, validate_args=False)


FIXED_PRIORS: dict[str, type[Prior]] = {
    "normal": StandardNormalPrior,
    "codes": CodesPrior,
    "sphere": SpherePrior,
    "ring": RingPrior,
    "swiss-roll": SwissRollPrior,
}
