"""VAE-GAN: images are compared by what a critic sees in them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..config import Weight
from ..errors import ConfigError
from ..model import VAE
from ..parts.likelihoods import Likelihood
from ..parts.networks import EncoderWithHead, Network
from .critic import fool, judge, slope
from .objective import END, Context, Objective, Terms, frozen, score


class VAEGAN(Objective):
    """Rate and the error of reconstructions in the features of a critic of images, and its game.

    The critic tells images of the data from reconstructions and samples. The encoder minimises rate
    and error, the decoder gamma times the error plus its part in the game, the critic its own part
    alone. Against the paper, the encoder's terms are gamma times as large, which is a matter of its
    learning rate, and the decoder's part in the game is one whose gradient does not fade.

    Logs error, half the squared distance in features; critic, what the critic minimises: 1.910 nats
    if it cannot tell; and fooled, the share of reconstructions and samples that it takes for data.

    References:
        Autoencoding beyond pixels using a learned similarity metric (Larsen et al., 2016),
            https://arxiv.org/abs/1512.09300

    Args:
        gamma: Weight of the reconstruction error against the decoder's part in the game.
        slope: Weight of the critic's squared gradient at images of the data, which calms the game.
    """

    has_critic = True
    compiles = False

    def __init__(
        self,
        likelihood: Likelihood,
        network: Network,
        shape: Sequence[int],
        context: int,
        gamma: Weight = 1.0,
        slope: Weight = 1.0,
    ) -> None:
        super().__init__()
        scale = {*likelihood.parameters()} - {*likelihood.decoder.parameters()}
        if scale or likelihood.params_per_pixel > 1:
            raise ConfigError("vae-gan trains no scale of pixels: use --likelihood bernoulli.")
        self.gamma, self.slope, self.context = gamma, slope, context
        self.critic = EncoderWithHead(network.encoder(shape, context))

    def forward(self, model: VAE, x: Tensor, c: Context = None, epoch: float = END) -> Terms:
        draw, c = model.draw(x, c), c if self.context else None
        real = x.detach().requires_grad_(torch.is_grad_enabled())
        on_real, features = self.critic(real, c)
        view = frozen(self.critic)
        error = (view(draw.likelihood.mean[0], c)[1] - features.detach()).square().sum(-1) / 2
        z = torch.stack([draw.z[0].detach(), model.sample_latent(len(x), c)])
        fakes = model.likelihood(z, c).mean
        on_fakes = [view(fake, c)[0] for fake in fakes]
        critic = judge(on_real, *(self.critic(fake.detach(), c)[0] for fake in fakes))
        game = sum(map(fool, on_fakes)) + critic + slope(self.slope, on_real, real)
        loss = self.gamma * (draw.rate + error) + game
        return score(draw, loss, error=error, critic=critic, fooled=torch.cat(on_fakes) > 0)
