"""A mixture of normals that is fitted to latents after training."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.distributions import Distribution

from ...system.errors import ConfigError
from ..expectation_maximization import Covariance, MixtureFit
from ..mixtures import NormalMixture, inverse_of
from ..posteriors import Posterior
from ..ranges import Components, Count
from .fitted import FittedPrior, FixedLatents

MAX_LATENT_DIM = 128  # a full covariance has D^2 numbers
IMAGES_PER_COMPONENT = 5


class FittedMixture(FittedPrior):
    """A mixture of Gaussians, fitted to the latents by expectation maximization.

    A conditional model has a mixture for each class.

    References:
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020),
            https://arxiv.org/abs/1903.12436

    Args:
        components: Number of Gaussians, in each class.
        covariance: Full covariances, or diagonal ones.
        noise: Latents are drawn with this multiple of the posterior's standard deviation. 1 gives
            the best bound, less makes more samples clear.
        iterations: Iterations of expectation maximization, after ten of k-means.
    """

    weights: Tensor
    loc: Tensor
    scale_tril: Tensor
    inverse: Tensor | None

    def __init__(
        self,
        latent_dim: int,
        posterior: Posterior,
        context_dim: int,
        components: Components = 100,
        covariance: Covariance = "full",
        noise: Annotated[float, Ge(0), Le(1)] = 0.5,
        iterations: Count = 25,
    ) -> None:
        super().__init__()
        if posterior.space != self.space:
            raise ConfigError(
                "A fitted mixture needs real latents, and this posterior has others: use "
                "posterior='gaussian', or another prior."
            )
        if latent_dim > MAX_LATENT_DIM:
            raise ConfigError(
                f"A fitted mixture has at most {MAX_LATENT_DIM} dimensions, not {latent_dim}: use "
                "a smaller latent_dim, or fitted_prior='none'."
            )
        self.context_dim = context_dim
        self.components = components
        self.covariance = covariance
        self.noise = noise
        self.iterations = iterations
        groups = max(context_dim, 1)
        self.register_buffer("weights", torch.full((groups, components), 1 / components))
        self.register_buffer("loc", torch.zeros(groups, components, latent_dim))
        scale_tril = torch.zeros(groups, components, latent_dim, latent_dim)
        # torch.eye would import torch's compiler on the meta device, which takes a second
        scale_tril.diagonal(dim1=-2, dim2=-1).fill_(1)
        self.register_buffer("scale_tril", scale_tril)
        self.register_buffer("inverse", None, persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        """The mixture; given labels, for each image that of its class."""
        classes = torch.ones(len(self.weights), device=self.weights.device)
        if self.context_dim and c is not None:
            classes = torch.where(c.sum(-1, keepdim=True) > 0, c, 1.0)
        logits = (classes.unsqueeze(-1) * self.weights).flatten(-2).log()
        scale_tril = self.scale_tril.flatten(0, 1)
        return NormalMixture(logits, self.loc.flatten(0, 1), scale_tril, inverse=self.inverse)

    def keep_inverse(self) -> None:
        """Keep the inverses that densities need: ONNX cannot solve triangular systems."""
        self.inverse = inverse_of(self.scale_tril.flatten(0, 1))

    def require_enough(self, counts: Sequence[int]) -> None:
        """Raise a `ConfigError` unless there are five images for every component.

        Args:
            counts: Number of images of every class of a conditional model; else of all images.
        """
        smallest = min(counts)
        if smallest >= IMAGES_PER_COMPONENT * self.components:
            return
        where = "the smallest class has" if len(counts) > 1 else "there are"
        most = smallest // IMAGES_PER_COMPONENT
        advice = f"use components={most} or fewer" if most else "use more images"
        raise ConfigError(
            f"A mixture of components={self.components} needs {IMAGES_PER_COMPONENT} training "
            f"images for each, and {where} {smallest}: {advice}."
        )

    def fit(self, latents: FixedLatents, generator: torch.Generator) -> Iterator[float]:
        groups = self._by_class(latents)
        self.require_enough([len(group.mean) for group in groups])
        for index, group in enumerate(groups):
            draw = partial(group.draw, self.noise, generator)
            mixture = MixtureFit(draw, self.components, self.covariance, generator)
            for fraction in mixture.run(self.iterations):
                yield (index + fraction) / len(groups)
            self.weights[index] = mixture.weights
            self.loc[index] = mixture.loc
            self.scale_tril[index] = mixture.scale_tril

    def _by_class(self, latents: FixedLatents) -> list[FixedLatents]:
        """The latents of each class of a conditional model, without unknown labels; else of all."""
        if not self.context_dim:
            return [latents]
        if latents.context is None:
            raise ValueError("the mixtures of a conditional model need labels")
        groups = [latents.context[:, label] > 0 for label in range(self.context_dim)]
        return [FixedLatents(latents.mean[rows], latents.std[rows]) for rows in groups]
