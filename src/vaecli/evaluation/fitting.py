"""Priors fitted to the latents of a trained model, which is held fixed."""

from collections.abc import Generator

import torch

from ..config.build import build_fitted_prior
from ..config.config import Config
from ..data.images import Images
from ..model import VAE
from ..parts.distributions import QuantizedPointMass
from ..parts.priors import FittedPrior, FixedLatents
from ..system.errors import ConfigError
from ..system.seeds import stream_generator
from .batches import batches, evaluation_mode, require_finite


def encode_latents(model: VAE, images: Images) -> FixedLatents:
    """The posteriors of all images, on the device of the model; a conditional model reads labels.

    Raises:
        NotFiniteError: The model overflows.
    """
    means = []
    stds = []
    codes = []
    contexts = []
    with evaluation_mode(model):
        for x, c in batches(images, model.device):
            q = model.encode(x, c)
            means.append(q.mean)
            stds.append(q.variance.sqrt())
            if isinstance(q, QuantizedPointMass):
                codes.append(q.codes)
            if (used := model.used_context(c)) is not None:
                contexts.append(used)
    # concatenated outside of inference mode, so that networks can be trained on them
    return FixedLatents(
        mean=require_finite(torch.cat(means), "latents"),
        std=require_finite(torch.cat(stds), "standard deviations of latents"),
        codes=torch.cat(codes) if codes else None,
        context=torch.cat(contexts) if contexts else None,
    )


def make_fitted_prior(config: Config, model: VAE, images: Images) -> FittedPrior | None:
    """The prior that a configuration fits to these images, not fitted yet; None without one.

    Args:
        config: A resolved configuration.
        model: Its model.
        images: The training images.

    Raises:
        ConfigError: It does not fit the model, or there are too few images.
    """
    prior = build_fitted_prior(config, model, images.shape, images.classes)
    if prior is None:
        return None
    counts = [len(images)]
    if model.context:
        if len(images.labelled_indices) < len(images):
            raise ConfigError(
                f"fitted_prior={str(config.fitted_prior)!r}: the prior of a conditional model is "
                f"fitted to images with labels, and labels={config.labels} hides the others: use "
                "fitted_prior='none'."
            )
        counts = images.labels.long().bincount(minlength=images.classes).tolist()
    prior.require_enough(counts)
    return prior


def fit_prior(
    prior: FittedPrior, model: VAE, images: Images, seed: int
) -> Generator[float, None, None]:
    """Fit a prior to the latents of images.

    The same prior, weights, images and seed give the same fit.

    Args:
        prior: As `make_fitted_prior` returns it; it moves to the device of the model.
        model: The trained model.
        images: The training images.
        seed: Seed of the fit, and of pixels that are binarized at random.

    Yields:
        The finished fraction of the work, the last time 1.

    Raises:
        NotFiniteError: The model overflows, or the fit does.
    """
    yield 0.0
    latents = encode_latents(model, images.fix_pixels(seed))
    prior.to(model.device)
    prior.train()
    yield from prior.fit(latents, stream_generator(seed, "fitted prior"))
    prior.eval()
    for name, tensor in prior.state_dict().items():
        require_finite(tensor, f"values of {name} of the fitted prior")


def with_prior(model: VAE, prior: FittedPrior) -> VAE:
    """A model that shares all parts but the prior with `model`."""
    return VAE(model.posterior, prior, model.likelihood, model.context).train(model.training)
