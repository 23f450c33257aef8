"""What a trained model is worth on images that it has not seen."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from .data import Images
from .model import VAE, log_mean_exp
from .objectives import LossTerms, Objective
from .objectives.importance import MAX_DECODED_LATENTS
from .objectives.objective import EVALUATION_BATCH_SIZE
from .seeds import seeded


class Means:
    """Running means of what is logged, weighted by images, kept on the device until asked for.

    Attributes:
        names: What is logged, once a batch was added.
        sums: Their sums over images, shape `(names,)`.
        images: Images added.
        batches: Batches added.
        finite: How many batches from the first on were finite in every term, shape `()`.
        last: The terms of the last of these, or of the first that was not, shape `(names,)`.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.sums, self.finite, self.last = torch.zeros(()), torch.zeros(()), torch.zeros(())
        self.images = self.batches = 0

    def add(self, terms: LossTerms, images: int) -> None:
        values = torch.stack(tuple(terms.metrics.values()))
        if not self.batches:
            self.names, self.finite = tuple(terms.metrics), values.new_zeros(())
            self.sums = self.last = torch.zeros_like(values)
        self.last = torch.where(self.finite == self.batches, values, self.last)
        self.sums = self.sums.add(values, alpha=images)
        self.finite = self.finite + self.sums.isfinite().all()  # they never are again
        self.images += images
        self.batches += 1

    def read(self) -> dict[str, float]:
        """The means by name. Waits for the device: not for every batch."""
        if not self.batches:
            return {}
        return dict(zip(self.names, (self.sums / self.images).tolist(), strict=True))


def evaluate(model: VAE, objective: Objective, images: Images, seed: int) -> dict[str, float]:
    """The mean terms of the objective over all images, in nats per image.

    The noise comes from the seed alone, so that two evaluations of one model agree.
    """
    means = Means()
    with seeded(model.device, seed, "evaluation"), evaluating(model):
        for x, c in chunks(images, model.device, objective.evaluation_batch_size):
            means.add(objective(model, x, c), len(x))
    return means.read()


def log_likelihood(
    model: VAE, images: Images, samples: int, seed: int, tick: Callable[[int], object] = int
) -> Tensor:
    """`log p(x)` of every image by importance sampling, shape `(N,)`, in nats: a lower bound.

    It rises to the likelihood as samples grow. Memory does not: a few are decoded at a time.

    References:
        Importance Weighted Autoencoders (Burda et al., 2016), https://arxiv.org/abs/1509.00519

    Args:
        model: Its posterior has a density.
        images: What to score.
        samples: For each image.
        seed: Of the noise.
        tick: Called with the number of images that are done since the last call.
    """
    found = []
    # passes of about one size
    most = math.ceil(samples / math.ceil(samples / MAX_DECODED_LATENTS))
    counts = [min(most, samples - done) for done in range(0, samples, most)]
    with seeded(model.device, seed, "likelihood"), evaluating(model):
        for x, c in chunks(images, model.device, max(1, MAX_DECODED_LATENTS // samples)):
            weights = torch.cat([model.draw(x, c, count).log_weights for count in counts])
            found.append(log_mean_exp(weights).cpu())
            tick(len(x))
    return torch.cat(found)


def reconstruct(model: VAE, images: Images) -> tuple[Tensor, Tensor]:
    """The images and their reconstructions, both of shape `(N, C, H, W)`.

    A conditional model is told their labels.
    """
    with seeded(model.device, "reconstructions"), evaluating(model):
        parts = [(x, model.reconstruct(x, c)) for x, c in chunks(images, model.device)]
    originals, decoded = zip(*parts, strict=True)
    return torch.cat(originals).cpu(), torch.cat(decoded).cpu()


def chunks(
    images: Images, device: torch.device, size: int = EVALUATION_BATCH_SIZE
) -> Iterator[tuple[Tensor, Tensor]]:
    """All images as floats, shape `(<= size, C, H, W)`, and their one-hot labels, in order."""
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        yield images.pixels(part).to(device), images.context(part).to(device)


@contextmanager
def evaluating(model: VAE) -> Iterator[None]:
    """Without gradients, and with layers that behave otherwise in training (dropout) at rest."""
    was = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was)
