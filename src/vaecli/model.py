"""The model `VAE`, and `Draw`, its posterior samples and densities for a batch of images."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence
from torch.nn import functional

from .parts.distributions import Delta, QuantizedPointMass
from .parts.likelihoods import Likelihood
from .system.errors import ConfigError
from .system.renamed import Renamed

T = TypeVar("T")


def log_mean_exp(values: Tensor) -> Tensor:
    """`log(mean(exp(values)))` over the first dimension, of shape `values.shape[1:]`."""
    return values.logsumexp(0) - math.log(len(values))


class cached_property(Generic[T]):
    """A property that is computed once, at its first access.

    `functools.cached_property` takes a lock before Python 3.12, which `torch.compile` cannot trace.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute = compute
        self.name = compute.__name__

    def __get__(self, owner: Any, kind: object = None) -> T:
        value = self.compute(owner)
        owner.__dict__[self.name] = value
        return value


@dataclass(frozen=True)
class Draw:
    """K posterior samples for each of B images, with their log-densities in nats.

    A density is computed at its first access: an ELBO whose KL divergence has a formula never
    computes `log_pz` and `log_qz`.

    Attributes:
        x: Images, shape `(B, C, H, W)`.
        z: Latents, shape `(K, B, D)`.
        q: The posterior, batch shape `(B,)`.
        p: The prior, batch shape `()` or `(B,)`.
        likelihood: `p(x | z)`, batch shape `(K, B)`.
    """

    x: Tensor
    z: Tensor
    q: Distribution
    p: Distribution
    likelihood: Distribution

    @cached_property
    def log_px(self) -> Tensor:
        """`log p(x | z)`, shape `(K, B)`."""
        return self.likelihood.log_prob(self.x)

    @cached_property
    def log_pz(self) -> Tensor:
        """`log p(z)`, shape `(K, B)`."""
        return self.p.log_prob(self.z)

    @cached_property
    def log_qz(self) -> Tensor:
        """`log q(z | x)`, shape `(K, B)`."""
        return self.q.log_prob(self.z)

    @cached_property
    def distortion(self) -> Tensor:
        """`-E_q log p(x | z)`, the reconstruction error, by a mean over samples, shape `(B,)`."""
        return -self.log_px.mean(0)

    @cached_property
    def rate(self) -> Tensor:
        """`KL(q || p)`, shape `(B,)`: exact if a formula is registered, else by Monte Carlo."""
        try:
            return kl_divergence(self.q, self.p)
        except NotImplementedError:
            return (self.log_qz - self.log_pz).mean(0)

    @property
    def vq_loss(self) -> Tensor | None:
        """Codebook and commitment loss, shape `(B,)`, which objectives add; None if no codebook."""
        return self.q.vq_loss if isinstance(self.q, QuantizedPointMass) else None

    penalty = Renamed("vq_loss")  # its name in version 0.1

    def elbo_terms(self) -> dict[str, Tensor]:
        """Distortion and rate by name, each of shape `(B,)`.

        A deterministic posterior has no rate, because the KL divergence of a point mass from a
        density is infinite. It has prior_nll, `-log p(z)`, in its place.
        """
        if isinstance(self.q, Delta):
            return {"distortion": self.distortion, "prior_nll": -self.log_pz.mean(0)}
        return {"distortion": self.distortion, "rate": self.rate}

    scores = Renamed("elbo_terms")  # its name in version 0.1

    @cached_property
    def log_weights(self) -> Tensor:
        """Log importance weights `log p(x, z) - log q(z | x)`, shape `(K, B)`."""
        return self.log_px + self.log_pz - self.log_qz

    @cached_property
    def bound(self) -> Tensor:
        """The importance-weighted lower bound on `log p(x)`, shape `(B,)`.

        References:
            Importance Weighted Autoencoders (Burda et al., 2016), https://arxiv.org/abs/1509.00519
        """
        return log_mean_exp(self.log_weights)


class VAE(nn.Module):
    """A variational autoencoder of images with pixels in [0, 1].

    Args:
        posterior: Maps `(x, c)` to a distribution `q(z | x, c)`.
        prior: Maps `c` to a distribution `p(z | c)`.
        likelihood: Maps `(z, c)` to a distribution `p(x | z, c)`.
        context: Length E of the context c, one-hot labels of shape `(B, E)`; the parts take it as
            `context_dim`. 0 for an unconditional model, which ignores c.
    """

    def __init__(
        self, posterior: nn.Module, prior: nn.Module, likelihood: Likelihood, context: int = 0
    ) -> None:
        super().__init__()
        self.posterior = posterior
        self.prior = prior
        self.likelihood = likelihood
        self.context = context

    @property
    def device(self) -> torch.device:
        """The device of the parameters; inputs must be on the same device."""
        return next(self.parameters()).device

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        """The posterior of x, batch shape `(B,)`."""
        q: Distribution = self.posterior(x, self.used_context(c))
        return q

    def draw(self, x: Tensor, c: Tensor | None = None, samples: int = 1) -> Draw:
        """Sample latents for images x, shape `(B, C, H, W)`, and decode them.

        Args:
            x: Pixels in [0, 1].
            c: Context, shape `(B, E)`, of a conditional model.
            samples: Latents K for each image.
        """
        c = self.used_context(c)
        q = self.posterior(x, c)
        z = q.rsample((samples,))
        return Draw(x, z, q, self.prior(c), self.likelihood(z, c))

    def sample_latent(self, n: int, c: Tensor | None = None) -> Tensor:
        """`n` latents from the prior, shape `(n, D)`; c has shape `(n, E)`."""
        z: Tensor = self.prior(self.used_context(c)).expand((n,)).sample()
        return z

    @torch.no_grad()
    def sample(self, n: int, c: Tensor | None = None) -> Tensor:
        """`n` images from the model, as pixel means, shape `(n, C, H, W)`.

        Without c a conditional model cycles through its labels: 0, 1, ..., E - 1, 0, ...
        """
        if self.context and c is None:
            c = self.one_hot(torch.arange(n) % self.context)
        return self.decode(self.sample_latent(n, c), c)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Pixel means decoded from the posterior means of x, in the shape of x."""
        return self.decode(self.embed(x, c), c)

    @torch.no_grad()
    def embed(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Posterior means of x, shape `(B, D)`."""
        mean: Tensor = self.encode(x, c).mean
        return mean

    @torch.no_grad()
    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Pixel means, shape `(B, C, H, W)`, of latents z, shape `(B, D)`."""
        means: Tensor = self.likelihood(z, self.used_context(c)).mean
        return means

    def one_hot(self, labels: Tensor) -> Tensor:
        """The context, shape `(B, E)`, of labels, shape `(B,)`, on the device of the model."""
        return functional.one_hot(labels.to(self.device), self.context).float()

    def used_context(self, c: Tensor | None) -> Tensor | None:
        """The context that the parts read, shape `(B, E)`; None if the model is unconditional.

        Args:
            c: Context with at most E columns: a split may lack images of the last classes.

        Raises:
            ConfigError: A conditional model got no context, or more classes than it has.
        """
        if not self.context:
            return None
        if c is None:
            raise ConfigError(
                f"The model is conditional: it needs labels. Pass c of shape (B, {self.context})."
            )
        missing = self.context - c.shape[-1]
        if missing < 0:
            raise ConfigError(
                f"The labels have {c.shape[-1]} classes, and the model has {self.context}: use "
                f"data of at most {self.context} classes."
            )
        return functional.pad(c, (0, missing)) if missing else c
