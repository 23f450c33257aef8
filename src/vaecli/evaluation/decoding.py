"""Reconstructions and samples of a trained model."""

import torch
from torch import Tensor

from ..data.images import Images
from ..model import VAE
from ..system.seeds import random_stream
from .batches import chunks, evaluating


def reconstruct(model: VAE, images: Images) -> tuple[Tensor, Tensor]:
    """The images and their reconstructions, both of shape `(N, C, H, W)`.

    A conditional model is told their labels.
    """
    with random_stream(model.device, "reconstructions"), evaluating(model):
        parts = [(x, model.reconstruct(x, c)) for x, c in chunks(images, model.device)]
    originals, decoded = zip(*parts, strict=True)
    return torch.cat(originals).cpu(), torch.cat(decoded).cpu()
