"""Disentangling: objectives that make the latent dimensions independent over the images."""

import math
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor

from ..model import VAE
from ..parts.distributions import DiagonalNormal
from ..parts.posteriors import Posterior
from ..parts.ranges import Layers, Units, Weight
from ..system.processes import gather, own_rows
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
    """`log q(z)` and `log q(z_d)` of the aggregate posterior, shapes `(B,)` and `(B, D)`.

    Estimated from a batch by minibatch stratified sampling: the image that z_i was sampled for has
    weight 1/N, and the other images of the batch share the remaining weight (N - 1)/N equally. The
    paper gives the last of them another weight; the expectation is the same. If several processes
    share the batch, each compares its samples with the posteriors of all.

    References:
        Isolating Sources of Disentanglement in Variational Autoencoders (Chen et al., 2018),
            appendix C.2, https://arxiv.org/abs/1802.04942

    Args:
        q: The posteriors of the images of this process, batch shape `(B,)`.
        z: A sample of each, shape `(B, D)`.
        images: Number N of training images; if the batch has more, N is theirs.
    """
    loc = gather(q.loc)
    log_var = gather(q.log_var)
    batch = len(loc)
    n = max(images, batch) if batch > 1 else 1
    log_share = -math.log(n * max(batch - 1, 1) / max(n - 1, 1))
    log_shares = z.new_full((batch, batch), log_share)
    log_shares = own_rows(log_shares.fill_diagonal_(-math.log(n)))
    each = DiagonalNormal(loc.unsqueeze(-1), log_var.unsqueeze(-1))
    pairs = each.log_prob(z[:, None, :, None])  # log q(z_id | x_j): (B, whole batch, D)
    joint = (pairs.sum(-1) + log_shares).logsumexp(1)
    return joint, (pairs + log_shares.unsqueeze(-1)).logsumexp(1)


class BetaTCVAE(Objective):
    """Distortion plus rate, with weight beta for the total correlation within the rate.

    References:
        Isolating Sources of Disentanglement in Variational Autoencoders (Chen et al., 2018),
            https://arxiv.org/abs/1802.04942

    Args:
        beta: Weight of the total correlation; with 1 the loss is the negative ELBO.
    """

    def __init__(self, posterior: Posterior, images: int, beta: Weight = 6.0) -> None:
        super().__init__()
        require_gaussian("beta-tc", posterior)
        self.images = images
        self.beta = beta
        self.evaluation_batch_size = 250  # images: the density of a batch takes B^2 D numbers

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        q = cast(DiagonalNormal, draw.q)
        joint, marginals = aggregate_posterior_log_density(q, draw.z[0], self.images)
        total_correlation = joint - marginals.sum(-1)
        loss = draw.distortion + draw.rate + (self.beta - 1) * total_correlation
        return loss_terms(draw, loss, total_correlation=total_correlation)


def permute_dims(z: Tensor) -> Tensor:
    """Latents, shape `(B, D)`, with each dimension permuted over the whole batch independently."""
    whole = gather(z)
    return own_rows(whole.gather(0, torch.rand_like(whole).argsort(0)))


class FactorVAE(Objective):
    """Distortion plus rate plus gamma times a discriminator's estimate of the total correlation.

    The discriminator distinguishes latents from latents whose dimensions are permuted over the
    batch. Its logit estimates the total correlation. To train it, half of its loss is added. Two
    things differ from the paper: both samples come from one batch, not from two, and the
    discriminator is smaller than the paper's 6 layers of 1000 units.

    Logs total_correlation, the estimate, and discriminator_loss, 1.386 nats if the discriminator
    cannot distinguish them.

    References:
        Disentangling by Factorising (Kim & Mnih, 2018), https://arxiv.org/abs/1802.05983

    Args:
        gamma: Weight of the total correlation.
        width: Units in a hidden layer of the discriminator.
        depth: Hidden layers of the discriminator.
    """

    monitor: ClassVar[str] = "distortion"

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
        total_correlation = frozen(self.discriminator)(z)
        discriminator_term = discriminator_loss(
            self.discriminator(z.detach()), self.discriminator(permute_dims(z.detach()))
        )
        loss = draw.distortion + draw.rate + self.gamma * total_correlation + discriminator_term / 2
        return loss_terms(
            draw, loss, total_correlation=total_correlation, discriminator_loss=discriminator_term
        )


class DIPVAE(Objective):
    """Distortion plus rate plus a penalty for latents whose covariance is not the identity.

    Variant I takes the covariance of the posterior means over the images; variant II adds the mean
    of the posterior variances, which makes it the covariance of the latents.

    Logs dip_penalty, the weighted penalty.

    References:
        Variational Inference of Disentangled Latent Concepts from Unlabeled Observations (Kumar
            et al., 2018), https://arxiv.org/abs/1711.00848

    Args:
        variant: DIP-VAE-I or DIP-VAE-II.
        off_diagonal: Weight of the squared covariances.
        diagonal: Weight of the squared differences of the variances from 1.
    """

    def __init__(
        self,
        posterior: Posterior,
        variant: Literal["I", "II"] = "II",
        off_diagonal: Weight = 10.0,
        diagonal: Weight = 10.0,
    ) -> None:
        super().__init__()
        require_gaussian("dip", posterior)
        self.variant = variant
        self.off_diagonal = off_diagonal
        self.diagonal = diagonal

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        means = gather(draw.q.mean)
        centred = means - means.mean(0)
        covariance = centred.T @ centred / len(means)
        if self.variant == "II":
            covariance = covariance + gather(draw.q.variance).mean(0).diag()
        variances = covariance.diagonal()
        off_diagonal = covariance.square().sum() - variances.square().sum()
        diagonal = (variances - 1).square().sum()
        dip_penalty = self.off_diagonal * off_diagonal + self.diagonal * diagonal
        return loss_terms(draw, draw.distortion + draw.rate + dip_penalty, dip_penalty=dip_penalty)
