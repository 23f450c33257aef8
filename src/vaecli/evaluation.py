"""What a trained model is worth on images that it has not seen."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from .data import Images
from .model import VAE
from .objectives import Objective, Terms
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

    def add(self, terms: Terms, images: int) -> None:
        values = torch.stack(tuple(terms.logged.values()))
        if not self.batches:
            self.names, self.finite = tuple(terms.logged), values.new_zeros(())
            self.sums = self.last = torch.zeros_like(values)
        fine = self.finite == self.batches
        self.last = torch.where(fine, values, self.last)
        self.finite = self.finite + (values.isfinite().all() & fine)
        self.sums = self.sums + values * images
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
        for x, c in chunks(images, model.device, objective.largest):
            means.add(objective(model, x, c), len(x))
    return means.read()


def reconstruct(model: VAE, images: Images) -> tuple[Tensor, Tensor]:
    """The images and their reconstructions, both of shape `(N, C, H, W)`.

    A conditional model is told their labels.
    """
    with seeded(model.device, "reconstructions"), evaluating(model):
        parts = [(x, model.reconstruct(x, c)) for x, c in chunks(images, model.device)]
    originals, decoded = zip(*parts, strict=True)
    return torch.cat(originals).cpu(), torch.cat(decoded).cpu()


def chunks(
    images: Images, device: torch.device, size: int = Objective.largest
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
