"""Adversarial autoencoders: the aggregate posterior is made to look like the prior."""

import torch
from torch import Tensor

from ..config import Layers, Units, Weight
from ..errors import ConfigError
from ..model import VAE
from ..parts.networks import concat_context
from ..parts.priors import Prior
from .critic import fool, judge, latent_critic, slope
from .objective import END, Context, Objective, Terms, frozen, score


class Adversarial(Objective):
    """Distortion, and a critic that tells latents of images from draws of the prior.

    Logs critic, what the critic minimises: 1.386 nats if it cannot tell; and fooled, the share of
    latents that it takes for draws of the prior.

    References:
        Adversarial Autoencoders (Makhzani et al., 2016), https://arxiv.org/abs/1511.05644

    Args:
        weight: Weight of the encoder's part in the game. It suits about 20 latent dimensions;
            two need about 100, to outweigh what the distortion gains from any other layout.
        width: Units in a hidden layer of the critic.
        depth: Hidden layers of the critic.
        slope: Weight of the critic's squared gradient at draws of the prior, which calms the game.
        labels: Whether the critic sees labels, so that each class takes its own part of the prior.
    """

    needs_density = False
    has_critic = True
    compiles = False

    def __init__(
        self,
        prior: Prior,
        latent_dim: int,
        context: int,
        classes: int,
        weight: Weight = 10.0,
        width: Units = 256,
        depth: Layers = 2,
        slope: Weight = 1.0,
        labels: bool = False,
    ) -> None:
        super().__init__()
        if next(prior.parameters(), None) is not None:
            raise ConfigError(
                "The adversarial objective imposes a prior that is fixed: use --prior normal."
            )
        if labels:
            _check_labels(prior, context, classes)
        self.weight, self.slope, self.reads_labels = weight, slope, labels
        self.critic = latent_critic(latent_dim + labels * (classes + 1), width, depth)

    def forward(self, model: VAE, x: Tensor, c: Context = None, epoch: float = END) -> Terms:
        draw = model.draw(x, c)
        fake, (real, label) = draw.z[0], self._draw(model, len(x), c)
        real = real.detach().requires_grad_(torch.is_grad_enabled())
        on_real = self.critic(concat_context(real, label))
        critic = judge(on_real, self.critic(concat_context(fake.detach(), label)))
        on_fake = frozen(self.critic)(concat_context(fake, label))
        game = self.weight * fool(on_fake) + critic + slope(self.slope, on_real, real)
        loss = draw.distortion + game
        return score(draw, loss, critic=critic, fooled=on_fake > 0)

    def _draw(self, model: VAE, n: int, c: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """`n` latents from the prior, and the labels as the critic sees them, if it does.

        To a model that takes none, labels are known here only. One class more says that the label
        is not known.
        """
        if not self.reads_labels:
            return model.sample_latent(n, c), None
        if c is None:
            raise ConfigError("The objective adversarial:labels=true needs labels.")
        label = torch.cat([c, 1 - c.sum(-1, keepdim=True)], dim=-1)
        return model.prior(c).expand((n,)).sample(), label


def _check_labels(prior: Prior, context: int, classes: int) -> None:
    """Raise unless there are labels that the prior, or else the decoder, depends on."""
    if not classes:
        raise ConfigError("adversarial:labels=true needs images with labels: these have none.")
    if not context and not prior(torch.eye(classes)).batch_shape:
        raise ConfigError("labels=true needs a prior with a part for each class: use --prior ring.")
