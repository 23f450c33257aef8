"""Mean loss terms, and the likelihood by importance sampling."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..data.images import Images
from ..model import VAE, log_mean_exp
from ..objectives import Objective
from ..objectives.elbo import ELBO
from ..objectives.importance import MAX_DECODED_LATENTS
from ..system.errors import ConfigError, NotFiniteError
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
        for x, c in batches(images, model.device, objective.evaluation_batch_size):
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
    passes = math.ceil(samples / MAX_DECODED_LATENTS)
    pass_size = math.ceil(samples / passes)
    sizes = [min(pass_size, samples - done) for done in range(0, samples, pass_size)]
    found = []
    with random_stream(model.device, seed, "likelihood"), evaluation_mode(model):
        for x, c in batches(images, model.device, max(1, MAX_DECODED_LATENTS // samples)):
            weights = torch.cat([model.draw(x, c, size).log_weights for size in sizes])
            found.append(log_mean_exp(weights).cpu())
            on_progress(len(x))
    return torch.cat(found)


def evaluate_bound(
    model: VAE,
    images: Images,
    samples: int | None,
    seed: int,
    on_progress: Callable[[int], object] = int,
) -> dict[str, float]:
    """What `vaecli evaluate` prints of a model, in nats per image.

    Args:
        model: What is evaluated.
        images: All count alike.
        samples: Latents per image to estimate the likelihood with; None for no estimate.
        seed: Decides the noise: two evaluations with the same seed agree.
        on_progress: Called with the number of images that were scored by the likelihood.

    Returns:
        distortion and rate; their sum loss, the negative lower bound; with `samples` also samples,
        nll, the estimate of `-log p(x)`, and standard_error, over the images. A deterministic
        posterior has distortion alone.

    Raises:
        ConfigError: `samples` is given, but the posterior has no density.
        NotFiniteError: A result is NaN or infinite.
    """
    has_density = bool(model.posterior.has_density)
    if samples is not None and not has_density:
        raise ConfigError("samples needs a posterior with a density, but this one is a point.")
    terms = evaluate(model, ELBO(beta=float(has_density)), images, seed)
    names = ("distortion", "rate", "loss") if has_density else ("distortion", "rate")
    results = {name: terms[name] for name in names if name in terms}
    if samples is not None:
        scores = -log_likelihood(model, images, samples, seed, on_progress)
        results["samples"] = samples
        results["nll"] = scores.mean().item()
        results["standard_error"] = scores.std(correction=0).item() / len(scores) ** 0.5
    for name, value in results.items():
        if not math.isfinite(value):
            raise NotFiniteError(f"The {name} of these images is {value}: the model overflows.")
    return results
