"""A prior over sequences of codes, fitted after training."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from torch.distributions import Distribution

from ...system.errors import ConfigError
from ..code_sequences import AutoregressiveCodes, CodeNetwork
from ..optimizers import Adam
from ..posteriors import Posterior, QuantizedPosterior
from ..ranges import Count, Layers, Units
from .fitted import FittedPrior, FixedLatents
from .prior import Unregistered

NEEDS_CODES = "The autoregressive prior is of codes: use posterior='quantized'."
BATCH = 256
WARMUP = 0.05  # fraction of the steps in which the learning rate rises; then it falls to 0
HIDDEN = 0.15  # fraction of the codes that the network may not read in a step, against overfitting


class AutoregressivePrior(FittedPrior):
    """Draws one code after another, each given all before it, by a masked network.

    Its fit starts from the distances of the codes. In a conditional model the network reads the
    label too.

    References:
        Neural Discrete Representation Learning (van den Oord et al., 2017),
            https://arxiv.org/abs/1711.00937
        MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015),
            https://arxiv.org/abs/1502.03509

    Args:
        width: Hidden units in a layer.
        depth: Number of hidden layers.
        epochs: Passes over the training images in the fit.
        lr: Highest learning rate of the fit.
        temperature: Below 1, a likely code is likelier, given those before it, than in the fit:
            more samples are clear, and they are less diverse. The prior is scored as it is sampled.
    """

    space = "codes"

    def __init__(
        self,
        posterior: Posterior,
        context_dim: int,
        width: Units = 512,
        depth: Layers = 3,
        epochs: Count = 12,
        lr: Annotated[float, Gt(0), Le(1)] = 2e-3,
        temperature: Annotated[float, Ge(0.01), Le(1)] = 0.9,
    ) -> None:
        super().__init__()
        if not isinstance(posterior, QuantizedPosterior):
            raise ConfigError(NEEDS_CODES)
        self.quantizer = Unregistered(posterior.quantizer)
        self.context_dim = context_dim
        self.epochs = epochs
        self.lr = lr
        self.temperature = temperature
        levels, codes, _ = posterior.quantizer.codebooks.shape
        length = posterior.quantizer.positions * levels
        self.network = CodeNetwork(length, codes, context_dim, width, depth)

    def forward(self, c: Tensor | None = None) -> Distribution:
        codebooks = self.quantizer.module.codebooks
        return AutoregressiveCodes(
            self.network, codebooks, self._used(c), temperature=self.temperature
        )

    def require_enough(self, counts: Sequence[int]) -> None:
        """Raise a `ConfigError` unless there are as many images as codes in a codebook.

        Args:
            counts: Number of images, or of those in each class.
        """
        images = sum(counts)
        codes = self.quantizer.module.codebooks.shape[1]
        if images < codes:
            raise ConfigError(
                f"The autoregressive prior of {codes} codes needs at least as many training "
                f"images, not {images}: use more images or fewer codes."
            )

    def fit(self, latents: FixedLatents, generator: torch.Generator) -> Iterator[float]:
        codes = self._sequences(latents)
        self.network.place_codes(self.quantizer.module.codebooks.detach(), generator)
        optimizer = Adam(self.network.parameters(), self.lr, beta2=0.99)
        steps = self.epochs * -(-len(codes) // BATCH)
        done = 0
        for _ in range(self.epochs):
            for batch in torch.randperm(len(codes), generator=generator).split(BATCH):
                known = torch.rand(len(batch), codes.shape[-1], generator=generator) >= HIDDEN
                rows = batch.to(codes.device)
                c = self._used(latents.context)
                optimizer.lr = self.lr * _lr_multiplier((done + 0.5) / steps)
                self._step(optimizer, codes[rows], c if c is None else c[rows], known)
                done += 1
                yield done / steps

    def _sequences(self, latents: FixedLatents) -> Tensor:
        """The codes of every image, shape `(N, S)`."""
        if latents.codes is None:
            raise ConfigError(NEEDS_CODES)
        return latents.codes.flatten(-2)

    def _used(self, c: Tensor | None) -> Tensor | None:
        """The context that the network reads; None in a model that is not conditional."""
        return c if self.context_dim else None

    @torch.enable_grad()
    def _step(self, optimizer: Adam, codes: Tensor, c: Tensor | None, known: Tensor) -> None:
        """One step of the optimizer on the mean negative log-likelihood."""
        loss = -self.network.log_prob(codes, c, known.to(codes.device)).mean()
        loss.backward()
        optimizer.step()


def _lr_multiplier(progress: float) -> float:
    """Factor of the learning rate: a linear rise, then a linear fall to 0."""
    return min(progress / WARMUP, (1 - progress) / (1 - WARMUP))
