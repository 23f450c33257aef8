"""What a trained model is worth on images that it has not seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor

from .data import Images
from .model import VAE
from .objectives import Objective, Terms
from .seeds import seeded

CHUNK = 1000  # images at a time: quick, and 100 MB of memory at most for 28x28


@final
class Means:
    """Running means of what is logged, weighted by images, kept on the device until asked for."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.sums = torch.zeros(())
        self.images = 0

    def add(self, terms: Terms, images: int) -> None:
        batch = torch.stack(tuple(terms.logged.values())) * images
        self.sums = self.sums + batch if self.images else batch
        self.names = tuple(terms.logged)
        self.images += images

    def read(self) -> dict[str, float]:
        """The means by name. Waits for the device: not for every batch."""
        return dict(zip(self.names, (self.sums / self.images).tolist(), strict=True))


def evaluate(model: VAE, objective: Objective, images: Images, seed: int) -> dict[str, float]:
    """The mean terms of the objective over all images, in nats per image.

    The noise comes from the seed alone, so that two evaluations of one model agree.
    """
    means = Means()
    with seeded(model.device, seed, "evaluation"), evaluating(model):
        for x in chunks(images, model.device):
            means.add(objective(model, x), len(x))
    return means.read()


def chunks(images: Images, device: torch.device) -> Iterator[Tensor]:
    """All images as floats, shape `(<= CHUNK, C, H, W)`, in order."""
    for start in range(0, len(images), CHUNK):
        yield images.pixels(slice(start, start + CHUNK)).to(device)


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
