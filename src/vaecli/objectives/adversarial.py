"""Adversarial autoencoders."""

from typing import ClassVar

import torch
from torch import Tensor

from ..model import VAE
from ..parts.encoder_decoder import concat_context
from ..parts.priors import Prior
from ..parts.ranges import Layers, Units, Weight
from ..system.errors import ConfigError
from ..system.processes import own_rows
from .discriminator import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    latent_discriminator,
)
from .objective import (
    END_OF_TRAINING,
    Context,
    LossTerms,
    Objective,
    frozen,
    loss_terms,
    sample_prior,
    sample_whole_batch,
)


class Adversarial(Objective):
    """Distortion plus an adversarial loss that matches the aggregate posterior to the prior.

    The discriminator distinguishes latents of images from samples of the prior.

    Logs discriminator_loss, 1.386 nats if the discriminator cannot distinguish them, and
    fooled_fraction, the fraction of latents that it classifies as samples of the prior.

    References:
        Adversarial Autoencoders (Makhzani et al., 2016), https://arxiv.org/abs/1511.05644
        Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018),
            https://arxiv.org/abs/1801.04406, for gradient_penalty

    Args:
        weight: Weight of the generator loss, which trains the encoder. 10 suits about 20 latent
            dimensions. With 2 dimensions use about 100; otherwise the distortion dominates and
            the latents do not match the prior.
        width: Units in a hidden layer of the discriminator.
        depth: Hidden layers of the discriminator.
        gradient_penalty: Weight of the discriminator's R1 penalty at samples of the prior.
        labels: The discriminator also reads the label, so that the latents of each class match the
            prior of that class.
    """

    monitor: ClassVar[str] = "distortion"

    def __init__(
        self,
        prior: Prior,
        latent_dim: int,
        context_dim: int,
        classes: int,
        weight: Weight = 10.0,
        width: Units = 256,
        depth: Layers = 2,
        gradient_penalty: Weight = 1.0,
        labels: bool = False,
    ) -> None:
        super().__init__()
        if next(prior.parameters(), None) is not None:
            raise ConfigError(
                "The adversarial objective needs a prior without parameters: use prior='normal'."
            )
        inputs = latent_dim
        if labels:
            _check_labels(prior, context_dim, classes)
            inputs += classes + 1
        self.needs_density = False
        self.reads_labels = labels
        self.compiles = False
        self.weight = weight
        self.penalty_weight = gradient_penalty
        self.discriminator = latent_discriminator(inputs, width, depth)

    def forward(
        self, model: VAE, x: Tensor, c: Context = None, epoch: float = END_OF_TRAINING
    ) -> LossTerms:
        draw = model.draw(x, c)
        fake = draw.z[0]
        real, label = self._sample_prior(model, len(x), c)
        real = real.detach().requires_grad_(torch.is_grad_enabled())
        real_logits = self.discriminator(concat_context(real, label))
        discriminator_term = discriminator_loss(
            real_logits, self.discriminator(concat_context(fake.detach(), label))
        )
        generator_logits = frozen(self.discriminator)(concat_context(fake, label))
        adversarial_loss = (
            self.weight * generator_loss(generator_logits)
            + discriminator_term
            + gradient_penalty(real_logits, real, self.penalty_weight)
        )
        return loss_terms(
            draw,
            draw.distortion + adversarial_loss,
            discriminator_loss=discriminator_term,
            fooled_fraction=generator_logits > 0,
        )

    def _sample_prior(self, model: VAE, n: int, c: Context) -> tuple[Tensor, Tensor | None]:
        """Samples of the prior, shape `(n, D)`, and the discriminator's labels, if it reads them.

        The labels, shape `(n, classes + 1)`, are one-hot; the last class is an unknown label.
        """
        if not self.reads_labels:
            return own_rows(sample_prior(model, n, c)), None
        if c is None:
            raise ConfigError("adversarial:labels=true needs labels: pass c, shape (B, classes).")
        label = torch.cat([c, 1 - c.sum(-1, keepdim=True)], dim=-1)
        # sample_prior would drop the label of an unconditional model
        return own_rows(sample_whole_batch(model.prior, n, c)), label


def _check_labels(prior: Prior, context_dim: int, classes: int) -> None:
    """Raise `ConfigError` unless the prior or the decoder depends on the label."""
    if not classes:
        raise ConfigError(
            "adversarial:labels=true needs images with labels, and these have none: use "
            "labels=false."
        )
    if not context_dim and not prior(torch.eye(classes)).batch_shape:
        raise ConfigError(
            "adversarial:labels=true needs a prior with a component for each class, or a "
            "conditional model: use prior='ring' or conditional=True."
        )
