"""Discriminators, and the losses of a discriminator and of its generator.

The generator is the encoder or the decoder. Its loss is computed with a `frozen` discriminator, and
the discriminator's loss from detached samples. An objective adds the two, so that one backward pass
and one optimizer train both networks, each by its own term. To use another pair of losses, such as
the hinge loss, replace `discriminator_loss` and `generator_loss`.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..parts.layers import LayerBuilder


def latent_discriminator(inputs: int, width: int, depth: int) -> nn.Module:
    """An MLP from vectors, shape `(B, inputs)`, to logits of being real, shape `(B,)`."""
    hidden = LayerBuilder().mlp([inputs, *[width] * depth])
    return nn.Sequential(*hidden, nn.Linear(width, 1), nn.Flatten(0))


def discriminator_loss(real: Tensor, *fakes: Tensor) -> Tensor:
    """Discriminator loss from logits, in nats: `-log D(real) - log(1 - D(fake))`, shape `(B,)`.

    With one batch of fakes it is `2 log 2` = 1.386 if the discriminator cannot distinguish them;
    with two, 1.910.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661

    Args:
        real: Logits of real samples, shape `(B,)`.
        fakes: Logits of each batch of generated samples, shape `(B,)`; their terms are added.
    """
    loss = softplus(-real)
    for fake in fakes:
        loss = loss + softplus(fake)
    return loss


def generator_loss(fake: Tensor) -> Tensor:
    """Non-saturating generator loss from logits, in nats: `-log D(fake)`, shape `(B,)`.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    """
    return softplus(-fake)


def gradient_penalty(logits: Tensor, real: Tensor, weight: float) -> Tensor:
    """R1 gradient penalty at real samples, times `weight`, shape `(B,)`.

    Half the squared norm of the gradient of the logits. It helps the training of generator and
    discriminator to converge, which can oscillate without it. Evaluation computes no gradients: the
    penalty is then 0.

    References:
        Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018),
            https://arxiv.org/abs/1801.04406

    Args:
        logits: Of the real samples, shape `(B,)`.
        real: Samples that require a gradient, shape `(B, ...)`.
        weight: Factor of the penalty; with 0 no gradient is computed.
    """
    if not (weight and logits.requires_grad):
        return torch.zeros_like(logits)
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return weight * gradient.square().flatten(1).sum(-1) / 2
