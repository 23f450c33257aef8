"""Models of small parts, some of which the tables lack, to compute objectives with."""

import torch
from torch import nn

from tests.conftest import bars
from vaecli.model import VAE
from vaecli.parts.distributions import DiagonalNormal
from vaecli.parts.likelihoods import BernoulliLikelihood
from vaecli.parts.networks import MLP
from vaecli.parts.posteriors import GaussianPosterior
from vaecli.parts.priors import Prior, StandardNormalPrior

SHAPE = (1, 8, 8)
NETWORK = MLP(width=16, depth=1)
X = bars(6).pixels(slice(None))
C = torch.eye(2)[torch.tensor([0, 1, 1, 0, 0, 1])]


class Learned(Prior):
    """A normal with parameters of its own."""

    def __init__(self, latent_dim, posterior):
        super().__init__()
        self.loc = nn.Parameter(torch.ones(latent_dim))
        self.log_var = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, c=None):
        return DiagonalNormal(self.loc, self.log_var)


class Shared(Prior):
    """A normal at the posterior mean of a learned image: it shares the posterior's parameters."""

    def __init__(self, latent_dim, posterior):
        super().__init__()
        self.posterior = posterior
        self.image = nn.Parameter(torch.rand(1, *SHAPE))

    def forward(self, c=None):
        mean = self.posterior(self.image, None if c is None else c[:1]).mean[0]
        return DiagonalNormal(mean, torch.zeros_like(mean))


class Normal(Prior):
    """`N(0, I)` of another class, for which no formula of the KL is known."""

    def __init__(self, latent_dim, posterior):
        super().__init__()
        self.latent_dim = latent_dim

    def forward(self, c=None):
        zero = torch.zeros(self.latent_dim)
        return torch.distributions.Independent(torch.distributions.Normal(zero, zero + 1), 1)


def fixed(latent_dim, posterior):
    return StandardNormalPrior(latent_dim)


def make(posterior=GaussianPosterior, prior=fixed, latent_dim=2, context=0):
    """A model with the same weights at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        q = posterior(NETWORK.encoder(SHAPE, context), latent_dim)
        p = prior(latent_dim, q)
        return VAE(
            q,
            p,
            BernoulliLikelihood(lambda _: NETWORK.decoder(latent_dim, SHAPE, context)),
            context,
        )


def seeded_terms(objective, model, x=X, c=None, seed=3, **options):
    """The loss terms, with the noise of the seed."""
    torch.manual_seed(seed)
    return objective(model, x, c, **options)


def draw(model, samples=1, seed=3):
    """The draw that an objective computes from, with the noise of the seed."""
    torch.manual_seed(seed)
    return model.draw(X, None, samples)


def gradients(loss, module):
    """The gradient of every parameter by name; zeros for a parameter without one."""
    named = dict(module.named_parameters())
    found = torch.autograd.grad(loss, named.values(), retain_graph=True, allow_unused=True)
    return {
        name: torch.zeros_like(p) if g is None else g
        for (name, p), g in zip(named.items(), found, strict=True)
    }
