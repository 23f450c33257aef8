"""Mean loss terms, and the likelihood by importance sampling."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..data.images import Images
from ..model import VAE, log_mean_exp
from ..objectives import Objective
from ..objectives.importance import ROWS
from ..system.seeds import random_stream
from .batches import batches, evaluation_mode
from .means import RunningMeans


def evaluate(model: VAE, objective: Objective, images: Images, seed: int) -> dict[str, float]:
    """The mean terms of the objective over all images, in nats per image.

    Args:
        model: What is evaluated.
        objective: Computes the terms.
        images: All count alike.
        seed: Decides the noise: two evaluations with the same seed agree.
    """
    means = RunningMeans()
    with random_stream(model.device, seed, "evaluation"), evaluation_mode(model):
        for x, c in batches(images, model.device, objective.largest):
            means.add(objective(model, x, c), len(x))
    return means.read()


def log_likelihood(
    model: VAE,
    images: Images,
    samples: int,
    seed: int,
    on_progress: Callable[[int], object] = int,
) -> Tensor:
    """A lower bound of `log p(x)` by importance sampling, shape `(N,)`, in nats per image.

    It approaches `log p(x)` with more samples. The memory does not grow with their number, because
    few latents are decoded at a time.

    References:
        Importance Weighted Autoencoders (Burda et al., 2016), https://arxiv.org/abs/1509.00519

    Args:
        model: Its posterior has a density.
        images: What to score.
        samples: Latents per image.
        seed: Decides the noise.
        on_progress: Called after a batch with its number of images.
    """
    passes = math.ceil(samples / ROWS)
    pass_size = math.ceil(samples / passes)
    sizes = [min(pass_size, samples - done) for done in range(0, samples, pass_size)]
    found = []
    with random_stream(model.device, seed, "likelihood"), evaluation_mode(model):
        for x, c in batches(images, model.device, max(1, ROWS // samples)):
            weights = torch.cat([model.draw(x, c, size).log_weights for size in sizes])
            found.append(log_mean_exp(weights).cpu())
            on_progress(len(x))
    return torch.cat(found)
