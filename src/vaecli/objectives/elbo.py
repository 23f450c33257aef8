"""The evidence lower bound, and the prices and schedules that its rate may be given."""

import math

from torch import Tensor

from ..config import Weight
from ..errors import ConfigError
from ..model import VAE
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    detached_prior_nll,
    loss_terms,
)


class ELBO(Objective):
    """Distortion plus beta times rate: at beta 1 the negative evidence lower bound.

    At beta 0 the model is an autoencoder of any posterior. A prior that learns is then fitted to
    latents held fixed, by a term -log p(z) of the loss that the encoder does not feel.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
        beta-VAE: Learning Basic Visual Concepts (Higgins et al., 2017),
            https://openreview.net/forum?id=Sy2fzU9gl, for beta
        Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282,
            for warmup
        Cyclical Annealing Schedule (Fu et al., 2019), https://arxiv.org/abs/1903.10145, for cycle
        Understanding disentangling in beta-VAE (Burgess et al., 2018),
            https://arxiv.org/abs/1804.03599, for capacity
        Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
            https://arxiv.org/abs/1606.04934, for free_bits

    Args:
        beta: Weight of the rate.
        warmup: Epochs over which beta grows from 0.
        cycle: Epochs after which beta falls to 0 again, to grow over the half of them; 0 for never.
        free_bits: Nats that the mean rate of a batch may have at no cost.
        capacity: Nats C of rate aimed at: each image pays gamma |rate - C|, not beta; 0 for none.
        over: Epochs over which C grows from 0 to capacity.
        gamma: Weight of the distance to C.
    """

    def __init__(
        self,
        beta: Weight = 1.0,
        warmup: Weight = 0.0,
        cycle: Weight = 0.0,
        free_bits: Weight = 0.0,
        capacity: Weight = 0.0,
        over: Weight = 0.0,
        gamma: Weight = 1000.0,
    ) -> None:
        super().__init__()
        schedule = {"warmup": warmup, "cycle": cycle, "free_bits": free_bits}
        if warmup and cycle:
            raise ConfigError("The elbo objective takes warmup or cycle, not both: leave one out.")
        if capacity and (beta != 1 or any(schedule.values())):
            raise ConfigError(
                "elbo:capacity has no use for beta, warmup, cycle or free_bits: set its gamma."
            )
        self.beta, self.warmup, self.cycle, self.free_bits = beta, warmup, cycle, free_bits
        self.capacity, self.over, self.gamma = capacity, over, gamma
        self.needs_density = beta > 0

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        if self.beta == 0:
            return loss_terms(draw, draw.distortion + detached_prior_nll(model, draw, c))
        return loss_terms(draw, draw.distortion + self.kl_term(draw.rate, epoch))

    def kl_term(self, rate: Tensor, epoch: float) -> Tensor:
        """What the rate, shape `(B,)`, adds to the loss at this epoch, in nats."""
        if self.capacity:
            return self.gamma * (rate - self.capacity * linear_annealing(epoch, self.over)).abs()
        if self.free_bits:
            rate = rate.mean().clamp(min=self.free_bits)
        beta = self.beta * self.annealing_weight(epoch)
        return rate if beta == 1 else beta * rate

    def annealing_weight(self, epoch: float) -> float:
        """The fraction of beta that is in force."""
        if self.cycle and math.isfinite(epoch):
            return linear_annealing(epoch % self.cycle, self.cycle / 2)
        return linear_annealing(epoch, self.warmup)


def linear_annealing(epoch: float, epochs: float) -> float:
    """From 0 linearly to 1 over so many epochs; at once if there are none."""
    return min(1.0, epoch / epochs) if epochs else 1.0
