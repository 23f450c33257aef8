"""Critics: what tells two samples apart, and how one loss trains both sides of their game.

The opponent's term goes through a frozen critic, the critic's own term through detached samples. So
one loss, one backward pass and one optimizer give each side the gradient of its own term alone.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..parts.layers import LayerBuilder


def latent_critic(inputs: int, width: int, depth: int) -> nn.Module:
    """Fully connected layers from vectors, shape `(B, inputs)`, to logits, shape `(B,)`."""
    hidden = LayerBuilder().mlp([inputs, *[width] * depth])
    return nn.Sequential(*hidden, nn.Linear(width, 1), nn.Flatten(0))


def judge(real: Tensor, *fakes: Tensor) -> Tensor:
    """What a critic minimises, from its logits: `-log D(real) - log(1 - D(fake))`, in nats.

    It is `2 log 2`, or 1.386, for a critic that cannot tell them apart.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    """
    return sum(map(softplus, fakes), softplus(-real))


def fool(fake: Tensor) -> Tensor:
    """What its opponent minimises: `-log D(fake)`, whose gradient does not fade when it loses."""
    return softplus(-fake)


def slope(weight: float, logits: Tensor, real: Tensor) -> Tensor:
    """Half the squared gradient of the logits in real, shape `(B, ...)`, by its weight: `(B,)`.

    A critic that pays for it comes to rest, where one that does not circles about its opponent.
    It is zero, and costs nothing, without weight or gradients, as at evaluation.

    References:
        Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018),
            https://arxiv.org/abs/1801.04406
    """
    if not (weight and logits.requires_grad):
        return torch.zeros_like(logits)
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return weight * gradient.square().flatten(1).sum(-1) / 2
