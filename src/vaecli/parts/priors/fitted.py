"""The base class of priors that are fitted to latents after training."""

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .prior import Prior


@dataclass(frozen=True)
class FixedLatents:
    """The posteriors of N images, held fixed while a prior is fitted to them.

    Attributes:
        mean: Posterior means, shape `(N, D)`.
        std: Standard deviations of the posteriors, shape `(N, D)`; zero for a deterministic code.
        codes: Index of every code, shape `(N, positions, levels)`; None without a codebook.
        context: One-hot labels, shape `(N, E)`, of a conditional model; else None.
    """

    mean: Tensor
    std: Tensor
    codes: Tensor | None = None
    context: Tensor | None = None

    def draw(self, noise: float, generator: torch.Generator) -> Tensor:
        """One latent of each image, shape `(N, D)`.

        Args:
            noise: Multiple of the standard deviation; 0 for the posterior means.
            generator: A generator of the CPU.
        """
        if not noise:
            return self.mean
        normal = torch.randn(self.mean.shape, generator=generator).to(self.mean.device)
        return self.mean + noise * self.std * normal


class FittedPrior(Prior):
    """A prior that is fitted to latents once the model is trained.

    Its constructor takes what that of `Prior` takes. Before `fit` it is no density worth having.
    """

    @abc.abstractmethod
    def require_enough(self, counts: Sequence[int]) -> None:
        """Raise a `ConfigError` if there are too few images to fit it to.

        Args:
            counts: Number of training images; of each class, if the model is conditional.
        """

    @abc.abstractmethod
    def fit(self, latents: FixedLatents, generator: torch.Generator) -> Iterator[float]:
        """Fit the parameters; yields the finished fraction of the work, the last time 1.

        Args:
            latents: The posteriors of the training images, on the device of the prior.
            generator: The only source of random numbers, on the CPU.
        """


def no_fitted_prior() -> None:
    """Sampling and evaluation use the prior of training."""
