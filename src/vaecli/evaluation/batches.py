"""Passes over images without gradients."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..data.images import Images
from ..model import VAE
from ..objectives import Objective


def chunks(
    images: Images, device: torch.device, size: int = Objective.largest
) -> Iterator[tuple[Tensor, Tensor]]:
    """All images as floats, shape `(<= size, C, H, W)`, and their one-hot labels, in order."""
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        yield images.pixels(part).to(device), images.one_hot_labels(part).to(device)


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
