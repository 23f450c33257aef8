"""Mean loss terms, and the log-likelihood by importance sampling."""

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
    """The means over all images of the objective's metrics, in the units of `METRIC_UNITS`.

    Args:
        model: The model to evaluate.
        objective: Computes the metrics.
        images: Images to average over.
        seed: Seed of the noise: two evaluations with the same seed agree.
    """
    means = RunningMeans()
    with random_stream(model.device, seed, "evaluation"), evaluation_mode(model, objective):
        for x, c in batches(images, model.device, objective.evaluation_batch_size):
            means.add(objective(model, x, c), len(x))
    return means.read()


def log_likelihood(
    model: VAE,
    images: Images,
    samples: int,
    seed: int,
    on_progress: Callable[[int], object] | None = None,
) -> Tensor:
    """An estimate of `log p(x)` by importance sampling, shape `(N,)`, in nats per image.

    In expectation it is a lower bound, and it approaches `log p(x)` with more samples. Memory does
    not grow with their number, because at most `MAX_DECODED_LATENTS` are decoded at a time.

    References:
        Importance Weighted Autoencoders (Burda et al., 2016), https://arxiv.org/abs/1509.00519

    Args:
        model: A model whose posterior has a density.
        images: Images to score.
        samples: Latents per image.
        seed: Seed of the latents.
        on_progress: Called after every batch with its number of images.
    """
    passes = math.ceil(samples / MAX_DECODED_LATENTS)
    pass_size = math.ceil(samples / passes)
    sizes = [min(pass_size, samples - done) for done in range(0, samples, pass_size)]
    found = []
    with random_stream(model.device, seed, "likelihood"), evaluation_mode(model):
        for x, c in batches(images, model.device, max(1, MAX_DECODED_LATENTS // samples)):
            weights = torch.cat([model.draw(x, c, size).log_weights for size in sizes])
            found.append(log_mean_exp(weights).cpu())
            if on_progress is not None:
                on_progress(len(x))
    return torch.cat(found)


def evaluate_bound(
    model: VAE,
    images: Images,
    samples: int | None,
    seed: int,
    on_progress: Callable[[int], object] | None = None,
) -> dict[str, float]:
    """The results of `vaecli evaluate`, in nats per image.

    Args:
        model: The model to evaluate.
        images: Images to average over.
        samples: Latents per image for an estimate of the NLL; None for no estimate.
        seed: Seed of the noise: two evaluations with the same seed agree.
        on_progress: As for `log_likelihood`.

    Returns:
        `distortion`, `rate` and `loss`, the negative ELBO; if the posterior has a codebook,
        `vq_loss` is added to the loss. With `samples` also `samples`, `nll`, which estimates
        `-log p(x)`, and `standard_error`, that of nll over the images. For a deterministic
        posterior, `distortion` only.

    Raises:
        ConfigError: `samples` is given, but the posterior has no density.
        NotFiniteError: A result is NaN or infinite.
    """
    has_density = bool(model.posterior.has_density)
    if samples is not None and not has_density:
        raise ConfigError(
            "samples needs a posterior with a density, but this model is deterministic."
        )
    terms = evaluate(model, ELBO(beta=float(has_density)), images, seed)
    names = ("distortion", "rate", "loss") if has_density else ("distortion",)
    results = {name: terms[name] for name in names}
    if samples is not None:
        scores = -log_likelihood(model, images, samples, seed, on_progress)
        results["samples"] = samples
        results["nll"] = scores.mean().item()
        results["standard_error"] = scores.std(correction=0).item() / len(scores) ** 0.5
    for name, value in results.items():
        if not math.isfinite(value):
            raise NotFiniteError(f"The {name} of these images is {value}: the model overflows.")
    return results
