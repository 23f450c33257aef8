"""The ELBO, with a weight of the rate, annealing, free bits and capacity."""

import math
from typing import Annotated, cast

from annotated_types import Ge
from torch import Tensor
from torch.distributions import kl_divergence

from ..model import VAE, Draw
from ..parts.distributions import DiagonalNormal
from ..parts.ranges import Epochs, Nats, Weight
from ..system.errors import ConfigError
from ..system.processes import gather
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    detached_prior_nll,
    loss_terms,
)

Groups = Annotated[int, Ge(0)]  # of latents; 0 for as many as there are latents


class ELBO(Objective):
    """Distortion plus beta times the rate; with beta 1 the negative evidence lower bound.

    With beta 0 the model is an autoencoder, whatever its posterior. A learned prior is then fitted
    by a term -log p(z) of detached latents, which does not train the encoder.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
        beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework (Higgins
            et al., 2017), https://openreview.net/forum?id=Sy2fzU9gl, for beta
        Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282,
            for annealing_epochs
        Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing (Fu et al.,
            2019), https://arxiv.org/abs/1903.10145, for cycle_epochs
        Understanding disentangling in β-VAE (Burgess et al., 2018),
            https://arxiv.org/abs/1804.03599, for capacity
        Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
            https://arxiv.org/abs/1606.04934, for free_bits

    Args:
        beta: Weight of the rate.
        annealing_epochs: Epochs in which beta rises from 0; 0 for a constant beta.
        cycle_epochs: Epochs in a cycle; beta rises from 0 in its first half. 0 for no cycles.
        free_bits: Nats of rate of a group of latents, as a mean over the batch, below which the
            KL term of the group is constant.
        free_bits_groups: Equal groups of adjacent latents: 1 for the whole rate, 0 for every latent
            by itself. The paper groups the latents of a feature map.
        capacity: Target C of the rate, in nats per image. The KL term becomes
            capacity_weight * |rate - C| for each image. 0 for no target.
        capacity_epochs: Epochs in which C rises from 0 to capacity.
        capacity_weight: Weight of |rate - C|: nats of loss for every nat of difference.
    """

    def __init__(
        self,
        beta: Weight = 1.0,
        annealing_epochs: Epochs = 0.0,
        cycle_epochs: Epochs = 0.0,
        free_bits: Nats = 0.0,
        free_bits_groups: Groups = 1,
        capacity: Nats = 0.0,
        capacity_epochs: Epochs = 0.0,
        capacity_weight: Weight = 1000.0,
    ) -> None:
        super().__init__()
        if annealing_epochs and cycle_epochs:
            raise ConfigError("elbo:annealing_epochs excludes cycle_epochs: remove one of them.")
        excluded = {
            "beta": beta != 1,
            "annealing_epochs": annealing_epochs,
            "cycle_epochs": cycle_epochs,
            "free_bits": free_bits,
        }
        given = ", ".join(name for name, is_given in excluded.items() if is_given)
        if capacity and given:
            raise ConfigError(
                f"elbo:capacity excludes {given}: remove one or the other. The weight of capacity "
                "is capacity_weight."
            )
        if free_bits_groups != 1 and not free_bits:
            raise ConfigError(
                f"elbo:free_bits_groups={free_bits_groups} needs free_bits: add free_bits=NATS, "
                "the nats of every group."
            )
        self.needs_density = beta > 0
        self.beta = beta
        self.annealing_epochs = annealing_epochs
        self.cycle_epochs = cycle_epochs
        self.free_bits = free_bits
        self.latent_groups = free_bits_groups
        self.capacity = capacity
        self.capacity_epochs = capacity_epochs
        self.capacity_weight = capacity_weight

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        if self.beta == 0:
            return loss_terms(draw, draw.distortion + detached_prior_nll(model, draw, c))
        rates = draw.rate if self.latent_groups == 1 else group_rates(draw, self.latent_groups)
        return loss_terms(draw, draw.distortion + self.kl_term(rates, epoch))

    def kl_term(self, rates: Tensor, epoch: float) -> Tensor:
        """The term of the loss, in nats, shape `(B,)`; with free bits shape `()`.

        Args:
            rates: Rate of each image, shape `(B,)`; with groups of latents that of each group,
                shape `(B, groups)`.
            epoch: Epochs trained so far.
        """
        if self.capacity:
            capacity = self.capacity * linear_annealing(epoch, self.capacity_epochs)
            return self.capacity_weight * (rates - capacity).abs()
        if self.free_bits:
            # the mean over the whole batch is clamped, not the rate of each image
            rates = gather(rates).mean(0).clamp(min=self.free_bits).sum()
        beta = self.beta * self.annealing_weight(epoch)
        return rates if beta == 1 else beta * rates

    def annealing_weight(self, epoch: float) -> float:
        """The annealing factor of beta, 0 to 1."""
        if self.cycle_epochs and math.isfinite(epoch):
            return linear_annealing(epoch % self.cycle_epochs, self.cycle_epochs / 2)
        return linear_annealing(epoch, self.annealing_epochs)


def linear_annealing(epoch: float, epochs: float) -> float:
    """Linear annealing factor, 0 to 1 over `epochs`; 1 if `epochs` is 0."""
    return min(1.0, epoch / epochs) if epochs else 1.0


def group_rates(draw: Draw, groups: int) -> Tensor:
    """The rate of each group of adjacent latents, in nats, shape `(B, groups)`.

    Args:
        draw: Its posterior and its prior are diagonal Gaussians.
        groups: Number of groups; 0 for every latent by itself.
    """
    q = cast(DiagonalNormal, draw.q)
    p = cast(DiagonalNormal, draw.p)
    each_q = DiagonalNormal(q.loc.unsqueeze(-1), q.log_var.unsqueeze(-1))
    each_p = DiagonalNormal(p.loc.unsqueeze(-1), p.log_var.unsqueeze(-1))
    rates = kl_divergence(each_q, each_p)  # of every latent: (B, D)
    return rates.unflatten(-1, (groups, -1)).sum(-1) if groups else rates
