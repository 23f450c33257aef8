"""Mean loss terms, and the log-likelihood by importance sampling."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..config.config import Config
from ..data.images import Images
from ..model import VAE, log_mean_exp
from ..objectives import Objective
from ..objectives.elbo import ELBO
from ..objectives.importance import MAX_DECODED_LATENTS
from ..system.errors import ConfigError, NotFiniteError
from ..system.seeds import random_stream
from .batches import evaluation_mode, gather_turns, shared_batches, turns
from .means import RunningMeans, terms_of_batch


def evaluate(model: VAE, objective: Objective, images: Images, seed: int) -> dict[str, float]:
    """The means over all images of the objective's metrics, in the units of `METRIC_UNITS`.

    Several processes compute them together, each from its part of every batch.

    Args:
        model: The model to evaluate.
        objective: Computes the metrics.
        images: Images to average over.
        seed: Seed of the noise, and of pixels that are not fixed yet: two evaluations with the same
            seed agree.
    """
    images = images.fix_pixels(seed)
    means = RunningMeans()
    with random_stream(model.device, seed, "evaluation"), evaluation_mode(model, objective):
        for x, c, share in shared_batches(images, model.device, objective.evaluation_batch_size):
            terms = terms_of_batch(objective(model, x, c), share)
            means.add(terms, share.total)
    return means.read()


def log_likelihood(
    model: VAE,
    images: Images,
    samples: int,
    seed: int,
    on_progress: Callable[[int], object] | None = None,
    sum_labels: bool = False,
) -> Tensor:
    """An estimate of `log p(x)` by importance sampling, shape `(N,)`, in nats per image.

    In expectation it is a lower bound, and it approaches `log p(x)` with more samples. Memory does
    not grow with their number, because at most `MAX_DECODED_LATENTS` are decoded at a time.

    For a conditional model it is `log p(x | y)` of the true label y, or with `sum_labels` the
    logarithm of the mean of `p(x | y)` over all labels.

    References:
        Importance Weighted Autoencoders (Burda et al., 2016), https://arxiv.org/abs/1509.00519

    Args:
        model: A model whose posterior has a density.
        images: Images to score.
        samples: Latents per image, and per label if labels are summed.
        seed: Seed of the latents, and of pixels that are not fixed yet.
        on_progress: Called after every batch with its number of images.
        sum_labels: Sum over the labels of a conditional model, all with the same prior probability.
    """
    images = images.fix_pixels(seed)
    passes = math.ceil(samples / MAX_DECODED_LATENTS)
    pass_size = math.ceil(samples / passes)
    sizes = [min(pass_size, samples - done) for done in range(0, samples, pass_size)]
    found = {}
    device = model.device
    with random_stream(device, seed, "likelihood"), evaluation_mode(model):
        for index, is_own in turns(images, max(1, MAX_DECODED_LATENTS // samples)):
            x = images.pixels(index).to(device)
            c = images.one_hot_labels(index).to(device)
            labels = [model.one_hot(torch.full((len(x),), y)) for y in range(model.context)]
            given = labels if sum_labels else [c]
            if is_own:
                estimates = [_estimate(model, x, label, sizes) for label in given]
                found[index.start] = log_mean_exp(torch.stack(estimates))
            else:
                _skip_noise(model, x, given, sizes)
            if on_progress is not None:
                on_progress(len(x))
        return gather_turns(found, len(images), device).cpu()


def _estimate(model: VAE, x: Tensor, c: Tensor, sizes: list[int]) -> Tensor:
    """An estimate of `log p(x | c)`, shape `(B,)`, from so many latents at a time."""
    return log_mean_exp(torch.cat([model.draw(x, c, size).log_weights for size in sizes]))


def _skip_noise(model: VAE, x: Tensor, given: list[Tensor], sizes: list[int]) -> None:
    """Draw the latents of a batch that another process scores: the next one gets its own noise.

    Drawing takes a fiftieth of the time of decoding or less, and with flows a sixteenth.
    """
    for c in given:
        for size in sizes:
            model.encode(x, c).rsample((size,))


def evaluate_bound(
    model: VAE,
    objective: Objective,
    images: Images,
    samples: int | None,
    seed: int,
    binarize: str = "none",
    on_progress: Callable[[int], object] | None = None,
) -> dict[str, Any]:
    """The results of `vaecli evaluate`, in nats per image.

    Args:
        model: The model to evaluate.
        objective: The objective that it was trained with. It decides whether the label is summed
            out, and then gives the bound; the bound of all others is the ELBO.
        images: Images to average over.
        samples: Latents per image for an estimate by importance sampling; None for no estimate.
        seed: Seed of the noise: two evaluations with the same seed agree.
        binarize: Value of `Config.binarize`, which decides what a pixel's score is.
        on_progress: As for `log_likelihood`.

    Returns:
        `protocol`; `quantity`, which is "p(x)", or "p(x|y)" given the true label; `distortion`,
        `rate` and their sum `negative_elbo`, a bound on the negative logarithm of the quantity;
        `vq_loss`, if the posterior has a codebook, which is no part of the bound;
        `classification_error`, a fraction, if the label was summed out; `loss`, the old name of
        negative_elbo. For a deterministic posterior, distortion is the only number.

        With `samples` also `samples`; `nll`, the estimate, or `negative_bound` where pixels have
        only a loss; and `standard_error`, that of the estimate over the images, None for one image.

    Raises:
        ConfigError: `samples` is given, but all samples of the posterior are the same.
        NotFiniteError: A result is NaN or infinite.
    """
    if samples is not None and model.posterior.is_point:
        raise ConfigError(
            f"samples={samples}: the posterior of this model is a single point, so that all its "
            "samples are the same: leave this out."
        )
    is_conditional = bool(model.context) and not objective.infers_label
    results: dict[str, Any] = {
        "protocol": model.likelihood.protocol(binarize),
        "quantity": "p(x|y)" if is_conditional else "p(x)",
    }
    results |= _bound(model, objective, images, seed)
    if samples is not None:
        scores = -log_likelihood(model, images, samples, seed, on_progress, objective.infers_label)
        name = "nll" if model.likelihood.is_normalized(binarize) else "negative_bound"
        results |= {"samples": samples, name: scores.double().mean().item()}
        results["standard_error"] = standard_error(scores)
    for name, value in results.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise NotFiniteError(f"The {name} of these images is {value}: the model overflows.")
    return results


def compare_priors(
    fitted: dict[str, Any], trained: dict[str, Any], config: Config
) -> dict[str, Any]:
    """The results of a model with a fitted prior, beside those that the trained prior changes.

    Args:
        fitted: Results of `evaluate_bound` with the fitted prior.
        trained: The same with the prior of training.
        config: Names both.

    Returns:
        `fitted`, with `prior`, the spec of the fitted prior, and `trained_prior`, which has the
        spec of the other as `prior`, and its results. `fitted` alone if no result depends on the
        prior, as for a deterministic posterior.
    """
    old_name = "loss"
    beside = {k: v for k, v in trained.items() if fitted[k] != v and k != old_name}
    if not beside:
        return fitted
    return {
        **fitted,
        "prior": str(config.fitted_prior),
        "trained_prior": {"prior": str(config.prior), **beside},
    }


def _bound(model: VAE, objective: Objective, images: Images, seed: int) -> dict[str, float]:
    """The negative ELBO and its terms, or the distortion alone without a density."""
    has_density = bool(model.posterior.has_density)
    bound = objective if objective.infers_label else ELBO(beta=float(has_density))
    terms = evaluate(model, bound, images, seed)
    results = {"distortion": terms["distortion"]}
    if has_density:
        results["rate"] = terms["rate"]
        results["negative_elbo"] = terms["distortion"] + terms["rate"]
    for name in ("vq_loss", "classification_error"):
        if name in terms:
            results[name] = terms[name]
    if has_density:
        results["loss"] = results["negative_elbo"]  # its name in version 0.1
    return results


def standard_error(scores: Tensor) -> float | None:
    """The standard error of the mean of scores, shape `(N,)`; None if there is only one.

    The standard deviation has N - 1 in its denominator.
    """
    if len(scores) < 2:
        return None
    return scores.double().std(correction=1).item() / math.sqrt(len(scores))
