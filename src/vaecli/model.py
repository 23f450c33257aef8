"""The core: a posterior, a prior and a likelihood, and what they are for.

A variational autoencoder is three conditional distributions and an objective. `VAE` holds the
three; a `Draw` is what every objective is a function of.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence
from torch.nn import functional

from .errors import ConfigError
from .parts.distributions import Delta, QuantizedPointMass
from .parts.likelihoods import Likelihood

T = TypeVar("T")


def log_mean_exp(values: Tensor) -> Tensor:
    """`log(mean(exp(values)))` over the first dimension."""
    return values.logsumexp(0) - math.log(len(values))


class cached(Generic[T]):
    """A property that is computed once, without the lock of `functools.cached_property`.

    The compiler cannot follow a lock, which Python has dropped in 3.12.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self.make, self.name = make, make.__name__

    def __get__(self, owner: Any, kind: object = None) -> T:
        value = owner.__dict__[self.name] = self.make(owner)
        return value


@dataclass(frozen=True)
class Draw:
    """K posterior samples for each of B images, and what scores them, in nats per image.

    A density is computed when it is first asked for: the plain ELBO never pays for
    `log_pz` and `log_qz`, which it does not read.

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

    @cached
    def log_px(self) -> Tensor:
        """`log p(x | z)`, shape `(K, B)`."""
        return self.likelihood.log_prob(self.x)

    @cached
    def log_pz(self) -> Tensor:
        """`log p(z)`, shape `(K, B)`."""
        return self.p.log_prob(self.z)

    @cached
    def log_qz(self) -> Tensor:
        """`log q(z | x)`, shape `(K, B)`."""
        return self.q.log_prob(self.z)

    @cached
    def distortion(self) -> Tensor:
        """`-E_q log p(x | z)`, shape `(B,)`."""
        return -self.log_px.mean(0)

    @cached
    def rate(self) -> Tensor:
        """`KL(q || p)`, shape `(B,)`: exact where torch knows a formula, else by Monte Carlo."""
        try:
            return kl_divergence(self.q, self.p)
        except NotImplementedError:
            return (self.log_qz - self.log_pz).mean(0)

    @property
    def penalty(self) -> Tensor | None:
        """Loss of the posterior's codebook, if it has one, shape `(B,)`; objectives add it."""
        return self.q.vq_loss if isinstance(self.q, QuantizedPointMass) else None

    def scores(self) -> dict[str, Tensor]:
        """Distortion and rate by name, each of shape `(B,)`.

        A deterministic code has no rate, the KL of a point to a density being infinite: prior_nll,
        `-log p(z)`, stands in for it.
        """
        if isinstance(self.q, Delta):
            return {"distortion": self.distortion, "prior_nll": -self.log_pz.mean(0)}
        return {"distortion": self.distortion, "rate": self.rate}

    @cached
    def log_weights(self) -> Tensor:
        """Importance weights `log p(x, z) - log q(z | x)`, shape `(K, B)`."""
        return self.log_px + self.log_pz - self.log_qz

    @cached
    def bound(self) -> Tensor:
        """The importance-weighted lower bound on `log p(x)`, shape `(B,)`.

        References:
            Importance Weighted Autoencoders (Burda et al., 2016), https://arxiv.org/abs/1509.00519
        """
        return log_mean_exp(self.log_weights)


class VAE(nn.Module):
    """A variational autoencoder.

    Pixels lie in [0, 1]. The optional context c, shape `(B, E)`, is what a part is conditioned on.

    Args:
        posterior: `(x, c)` to a distribution `q(z | x, c)`.
        prior: `c` to a distribution `p(z | c)`.
        likelihood: `(z, c)` to a distribution `p(x | z, c)`.
        context: The length E of what the parts are conditioned on. A model of length 0 drops the
            c that it is given.
    """

    def __init__(
        self, posterior: nn.Module, prior: nn.Module, likelihood: Likelihood, context: int = 0
    ) -> None:
        super().__init__()
        self.posterior, self.prior, self.likelihood = posterior, prior, likelihood
        self.context = context

    @property
    def device(self) -> torch.device:
        """Where the parameters are, and so where inputs must be."""
        return next(self.parameters()).device

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        """The posterior of x, batch shape `(B,)`."""
        q: Distribution = self.posterior(x, self._context(c))
        return q

    def draw(self, x: Tensor, c: Tensor | None = None, samples: int = 1) -> Draw:
        """Sample latents for images x, shape `(B, C, H, W)`, ready to be scored."""
        c = self._context(c)
        q = self.posterior(x, c)
        z = q.rsample((samples,))
        return Draw(x, z, q, self.prior(c), self.likelihood(z, c))

    def sample_latent(self, n: int, c: Tensor | None = None) -> Tensor:
        """`n` latents from the prior, shape `(n, D)`; c has n rows."""
        z: Tensor = self.prior(self._context(c)).expand((n,)).sample()
        return z

    @torch.no_grad()
    def sample(self, n: int, c: Tensor | None = None) -> Tensor:
        """`n` images from the model, as pixel means, shape `(n, C, H, W)`.

        Without c the labels of a conditional model go round: 0, 1, ..., E - 1, 0, ...
        """
        if self.context and c is None:
            c = self.one_hot(torch.arange(n) % self.context)
        return self.decode(self.sample_latent(n, c), c)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Pixel means decoded from the posterior means of x; the shape of x."""
        return self.decode(self.embed(x, c), c)

    @torch.no_grad()
    def embed(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Posterior means of x, shape `(B, D)`."""
        mean: Tensor = self.encode(x, c).mean
        return mean

    @torch.no_grad()
    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Pixel means of latents z, shape `(B, D)`; they have shape `(B, C, H, W)`."""
        means: Tensor = self.likelihood(z, self._context(c)).mean
        return means

    def one_hot(self, labels: Tensor) -> Tensor:
        """Labels, shape `(B,)`, as the context of a conditional model, shape `(B, E)`."""
        return functional.one_hot(labels.to(self.device), self.context).float()

    def _context(self, c: Tensor | None) -> Tensor | None:
        if not self.context:
            return None
        if c is None:
            raise ConfigError("The model is conditional: it needs labels.")
        if (missing := self.context - c.shape[-1]) < 0:  # classes that a split has no image of
            raise ConfigError(f"The model knows {self.context} classes, not {c.shape[-1]}.")
        return functional.pad(c, (0, missing)) if missing else c
