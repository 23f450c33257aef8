"""Latent dimensions that vary independently over the images, in three ways."""

import math
from typing import Literal, cast

import torch
from torch import Tensor

from ..config import Layers, Units, Weight
from ..model import VAE
from ..parts.distributions import DiagonalNormal
from ..parts.posteriors import Posterior
from .discriminator import discriminator_loss, latent_discriminator
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    frozen,
    loss_terms,
    require_gaussian,
)


def aggregate_posterior_log_density(
    q: DiagonalNormal, z: Tensor, images: int
) -> tuple[Tensor, Tensor]:
    """`log q(z)` and `log q(z_d)` of the mean posterior of all images, shapes `(B,)` and `(B, D)`.

    The density at z_i is estimated from a batch by minibatch stratified sampling: its own image
    has its share 1/N, the others of the batch stand for the other N - 1 alike. (The paper lets
    one of these, the last, have a share of its own, of the same expectation.)

    References:
        Isolating Sources of Disentanglement in VAEs (Chen et al., 2018), appendix C.2,
            https://arxiv.org/abs/1802.04942

    Args:
        q: The posteriors of the batch, batch shape `(B,)`.
        z: A sample of each, shape `(B, D)`.
        images: How many N there are in all; those of the batch, if less than these.
    """
    batch = len(z)
    n = max(images, batch) if batch > 1 else 1
    share = z.new_full((batch, batch), -math.log(n * max(batch - 1, 1) / max(n - 1, 1)))
    share.fill_diagonal_(-math.log(n))
    each = DiagonalNormal(q.loc.unsqueeze(-1), q.log_var.unsqueeze(-1))
    pairs = each.log_prob(z[:, None, :, None])  # log q(z_id | x_j): (B, B, D)
    joint = (pairs.sum(-1) + share).logsumexp(1)
    return joint, (pairs + share.unsqueeze(-1)).logsumexp(1)


class BetaTCVAE(Objective):
    """Distortion plus rate, in which the total correlation of the latents counts beta times.

    References:
        Isolating Sources of Disentanglement in VAEs (Chen et al., 2018),
            https://arxiv.org/abs/1802.04942

    Args:
        beta: Weight of the total correlation; at 1 the loss is the negative ELBO.
    """

    largest = 250  # images that are scored against each other: B^2 D numbers

    def __init__(self, posterior: Posterior, images: int, beta: Weight = 6.0) -> None:
        super().__init__()
        require_gaussian("betatc", posterior)
        self.images, self.beta = images, beta

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        joint, marginals = aggregate_posterior_log_density(
            cast(DiagonalNormal, draw.q), draw.z[0], self.images
        )
        tc = joint - marginals.sum(-1)
        loss = draw.distortion + draw.rate + (self.beta - 1) * tc
        return loss_terms(draw, loss, total_correlation=tc)


def permute_dims(z: Tensor) -> Tensor:
    """The latents, shape `(B, D)`, with every dimension shuffled over the batch on its own."""
    return z.gather(0, torch.rand_like(z).argsort(0))


class FactorVAE(Objective):
    """Distortion plus rate plus gamma times a critic's estimate of the total correlation.

    The critic tells latents from latents whose dimensions were shuffled over the batch; its logit
    is the estimate. Critic and encoder share a loss, and never train each other. One batch serves
    both, where the paper takes two, and the critic is smaller than its 6 layers of 1000 units.

    References:
        Disentangling by Factorising (Kim & Mnih, 2018), https://arxiv.org/abs/1802.05983

    Args:
        gamma: Weight of the total correlation.
        width: Units in a hidden layer of the critic.
        depth: Hidden layers of the critic.
    """

    has_critic = True

    def __init__(
        self,
        posterior: Posterior,
        latent_dim: int,
        gamma: Weight = 10.0,
        width: Units = 256,
        depth: Layers = 3,
    ) -> None:
        super().__init__()
        require_gaussian("factor", posterior)
        self.gamma = gamma
        self.discriminator = latent_discriminator(latent_dim, width, depth)

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        z = draw.z[0]
        tc = frozen(self.discriminator)(z)
        critic = (
            discriminator_loss(
                self.discriminator(z.detach()), self.discriminator(permute_dims(z.detach()))
            )
            / 2
        )
        loss = draw.distortion + draw.rate + self.gamma * tc + critic
        return loss_terms(draw, loss, total_correlation=tc, critic=critic)


class DIPVAE(Objective):
    """Distortion plus rate plus the distance of a covariance over the images from the identity.

    Of the posterior means (I), or of the latents, whose posterior variances count too (II).

    References:
        Variational Inference of Disentangled Latent Concepts (Kumar et al., 2018),
            https://arxiv.org/abs/1711.00848

    Args:
        kind: Which covariance.
        off_diagonal: Weight of the squares of the covariances.
        diagonal: Weight of the squares of the variances less 1.
    """

    def __init__(
        self,
        posterior: Posterior,
        kind: Literal["I", "II"] = "II",
        off_diagonal: Weight = 10.0,
        diagonal: Weight = 10.0,
    ) -> None:
        super().__init__()
        require_gaussian("dip", posterior)
        self.kind, self.off_diagonal, self.diagonal = kind, off_diagonal, diagonal

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        centred = draw.q.mean - draw.q.mean.mean(0)
        covariance = centred.T @ centred / len(x)
        if self.kind == "II":
            covariance = covariance + draw.q.variance.mean(0).diag()
        variances = covariance.diagonal()
        off = covariance.square().sum() - variances.square().sum()
        dip_penalty = self.off_diagonal * off + self.diagonal * (variances - 1).square().sum()
        return loss_terms(draw, draw.distortion + draw.rate + dip_penalty, dip=dip_penalty)
