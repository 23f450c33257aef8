"""Mean objective terms and the importance-weighted likelihood."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..data.images import Images
from ..model import VAE, log_mean_exp
from ..objectives import Objective
from ..objectives.importance import ROWS
from ..system.seeds import random_stream
from .batches import chunks, evaluating
from .means import Means


def evaluate(model: VAE, objective: Objective, images: Images, seed: int) -> dict[str, float]:
    """The mean terms of the objective over all images, in nats per image.

    The noise comes from the seed alone, so that two evaluations of one model agree.
    """
    means = Means()
    with random_stream(model.device, seed, "evaluation"), evaluating(model):
        for x, c in chunks(images, model.device, objective.largest):
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
    found, most = [], math.ceil(samples / math.ceil(samples / ROWS))  # parts of about one size
    counts = [min(most, samples - done) for done in range(0, samples, most)]
    with random_stream(model.device, seed, "likelihood"), evaluating(model):
        for x, c in chunks(images, model.device, max(1, ROWS // samples)):
            weights = torch.cat([model.draw(x, c, count).log_weights for count in counts])
            found.append(log_mean_exp(weights).cpu())
            tick(len(x))
    return torch.cat(found)
