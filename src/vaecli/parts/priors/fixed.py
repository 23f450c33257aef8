"""Priors that are given and not learned."""

import math
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from ...system.errors import ConfigError
from .. import distributions, posteriors
from ..codebooks import Codewords
from ..distributions import DiagonalNormal
from ..ranges import Components
from ..spheres import UniformSphere, require_sphere
from .prior import Prior

Length = Annotated[float, Ge(1e-3), Le(1e3)]


class StandardNormal(Prior):
    """`N(0, I)`.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    """

    zero: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        # A buffer, so that it follows the model to its device; rebuilt, so that no file holds it.
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        return distributions.StandardNormal(self.zero)


class Codes(Prior):
    """Uniform over what the codebook of the quantized posterior can make.

    References:
        Neural Discrete Representation Learning (van den Oord et al., 2017),
            https://arxiv.org/abs/1711.00937
    """

    space = "codes"

    def __init__(self, posterior: posteriors.Posterior) -> None:
        super().__init__()
        if not isinstance(posterior, posteriors.Quantized):
            raise ConfigError("The codes prior draws from a codebook: use --posterior quantized.")
        self.quantizer = (posterior.quantizer,)  # in a tuple, since it is the posterior's

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Codewords(self.quantizer[0].books, self.quantizer[0].positions)


class Sphere(Prior):
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


class Ring(Prior):
    """A mixture of normals around the origin of the plane, each longer outwards than across.

    In a conditional model every class has a component of its own, or an equal run of them.

    References:
        Adversarial Autoencoders (Makhzani et al., 2016), figure 4, https://arxiv.org/abs/1511.05644

    Args:
        components: Normals.
        radius: Of the circle of their means.
        along: Their standard deviation outwards.
        across: Their standard deviation along the circle.
    """

    loc: Tensor
    scale: Tensor

    def __init__(
        self,
        latent_dim: int,
        context: int,
        components: Components = 10,
        radius: Length = 2.0,
        along: Length = 0.5,
        across: Length = 0.2,
    ) -> None:
        super().__init__()
        _require_plane("ring", latent_dim, context, components)
        angle = torch.arange(components) * (2 * math.pi / components)
        out = torch.stack([angle.cos(), angle.sin()], dim=-1)
        aside = torch.stack([-angle.sin(), angle.cos()], dim=-1)
        root = torch.stack([along * out, across * aside], dim=-1)  # its square: the covariance
        self.register_buffer("loc", radius * out, persistent=False)
        self.register_buffer("scale", torch.linalg.cholesky(root @ root.mT), persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        parts = MultivariateNormal(self.loc, scale_tril=self.scale, validate_args=False)
        return mixture_by_class(parts, c)


class SwissRoll(Prior):
    """A spiral in the plane: a mixture of many narrow normals along it, evenly spaced.

    In a conditional model every class has a section of it, the first class the innermost.

    References:
        Adversarial Autoencoders (Makhzani et al., 2016), figure 4, https://arxiv.org/abs/1511.05644

    Args:
        components: Normals.
        radius: Of the spiral's outer end.
        turns: Of the spiral about the origin.
        scale: Standard deviation of every normal.
    """

    loc: Tensor
    log_var: Tensor

    def __init__(
        self,
        latent_dim: int,
        context: int,
        components: Components = 200,
        radius: Length = 3.0,
        turns: Length = 2.0,
        scale: Length = 0.1,
    ) -> None:
        super().__init__()
        _require_plane("swiss-roll", latent_dim, context, components)
        # The length of a spiral grows with the square of its radius.
        part = ((torch.arange(components) + 0.5) / components).sqrt()
        angle = 2 * math.pi * turns * part
        loc = radius * part.unsqueeze(-1) * torch.stack([angle.cos(), angle.sin()], dim=-1)
        self.register_buffer("loc", loc, persistent=False)
        log_var = torch.full_like(loc, 2 * math.log(scale))
        self.register_buffer("log_var", log_var, persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        return mixture_by_class(DiagonalNormal(self.loc, self.log_var), c)


def _require_plane(name: str, latent_dim: int, context: int, components: int) -> None:
    """Raise a `ConfigError` unless latents have two dimensions and every class a component."""
    if latent_dim != 2:
        raise ConfigError(
            f"The {name} prior lies in a plane: use --latent-dim 2, not {latent_dim}."
        )
    if context > components:
        raise ConfigError(f"{context} classes need --prior {name}:components={context} or more.")


def mixture_by_class(parts: Distribution, c: Tensor | None) -> Distribution:
    """An equal mixture of those of the parts that belong to a class.

    Args:
        parts: Of batch shape `(components,)`. Each class has an equal run of them.
        c: Labels, one-hot, shape `(B, classes)`; a row of zeros is any class.

    Returns:
        Of batch shape `(B,)`; without labels of all parts and batch shape `()`.
    """
    components = parts.batch_shape[0]
    if c is None:
        weights = torch.ones(components, device=parts.mean.device)
    else:
        if components < (most := c.shape[-1]):
            raise ConfigError(f"{most} classes need a prior with components={most} or more.")
        known = torch.where(c.sum(-1, keepdim=True) > 0, c, 1.0)
        classes = torch.arange(components, device=c.device) * c.shape[-1] // components
        weights = known[..., classes]
        parts = parts.expand((*c.shape[:-1], components))
    chosen = Categorical(logits=weights.log(), validate_args=False)
    return MixtureSameFamily(chosen, parts, validate_args=False)
