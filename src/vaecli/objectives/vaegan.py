"""VAE-GAN: the reconstruction error is measured in the feature space of a discriminator."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ..model import VAE
from ..parts.encoder_decoder import EncoderWithHead
from ..parts.likelihoods import Likelihood
from ..parts.networks import Network
from ..parts.ranges import Weight
from ..system.errors import ConfigError
from ..system.processes import own_rows
from .discriminator import discriminator_loss, generator_loss, gradient_penalty
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    frozen,
    loss_terms,
    sample_prior,
)


class VAEGAN(Objective):
    """Rate, reconstruction error in a discriminator's feature space, and an adversarial loss.

    The discriminator distinguishes images of the data from reconstructions and samples. The encoder
    minimizes rate plus feature error, the decoder gamma times the feature error plus the generator
    loss, the discriminator its own loss. Two things differ from the paper: the encoder's terms are
    multiplied by gamma too, which acts like a factor of its learning rate, and the generator loss
    is the non-saturating one.

    Logs feature_error, half the squared distance between features; discriminator_loss, 1.910 nats
    if the discriminator cannot distinguish them; and fooled_fraction, the fraction of
    reconstructions and samples that it classifies as data.

    References:
        Autoencoding beyond pixels using a learned similarity metric (Larsen et al., 2016),
            https://arxiv.org/abs/1512.09300
        Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018),
            https://arxiv.org/abs/1801.04406, for gradient_penalty

    Args:
        gamma: Weight of the feature error relative to the decoder's generator loss.
        gradient_penalty: Weight of the discriminator's R1 penalty at images of the data.
    """

    monitor: ClassVar[str] = "distortion"

    def __init__(
        self,
        likelihood: Likelihood,
        network: Network,
        shape: Sequence[int],
        context_dim: int,
        gamma: Weight = 1.0,
        gradient_penalty: Weight = 1.0,
    ) -> None:
        super().__init__()
        if {*likelihood.parameters()} - {
            *likelihood.decoder.parameters()
        } or likelihood.params_per_pixel > 1:
            raise ConfigError("vae-gan cannot train a pixel scale: use likelihood='bernoulli'.")
        self.compiles = False
        self.gamma = gamma
        self.penalty_weight = gradient_penalty
        self.discriminator = EncoderWithHead(network.encoder(shape, context_dim))

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        c = model.used_context(c)
        real = x.detach().requires_grad_(torch.is_grad_enabled())
        real_logits, real_features = self.discriminator(real, c)
        frozen_discriminator = frozen(self.discriminator)
        _, features = frozen_discriminator(draw.likelihood.mean[0], c)
        feature_error = (features - real_features.detach()).square().sum(-1) / 2
        # The generator loss trains the decoder only: the latents are detached.
        z = torch.stack([draw.z[0].detach(), own_rows(sample_prior(model, len(x), c))])
        fakes = model.likelihood(z, c).mean
        generator_logits = [frozen_discriminator(fake, c)[0] for fake in fakes]
        fake_logits = (self.discriminator(fake.detach(), c)[0] for fake in fakes)
        discriminator_term = discriminator_loss(real_logits, *fake_logits)
        adversarial_loss = (
            sum(map(generator_loss, generator_logits))
            + discriminator_term
            + gradient_penalty(real_logits, real, self.penalty_weight)
        )
        return loss_terms(
            draw,
            self.gamma * (draw.rate + feature_error) + adversarial_loss,
            feature_error=feature_error,
            discriminator_loss=discriminator_term,
            fooled_fraction=torch.cat(generator_logits) > 0,
        )
