"""Samples and reconstructions: pixel means in [0, 1], decoded from latents."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..config import defaults
from ..config.build import resolve
from ..config.config import Config
from ..config.spec import Spec
from ..data.class_names import find_class
from ..data.images import Images
from ..data.splits import load_split
from ..model import VAE
from ..system.errors import ConfigError
from ..system.seeds import random_stream
from .batches import batches, evaluation_mode, require_finite
from .fitting import fit_prior, make_fitted_prior, with_prior

# Latents; the last part has up to twice as many. The hidden layers of more may not fit in memory.
DECODED_AT_ONCE = 4096
GAUSSIAN = Spec("mixture", {"components": 1})


def choose_labels(
    model: VAE, label: str | None, count: int, class_names: Sequence[str] = ()
) -> tuple[Tensor, int | None]:
    """The label of every image to sample, and the number of images per row.

    Args:
        model: The trained model; it must be conditional if a label is chosen.
        label: Name or number of a class, as in `find_class`; "all" for a row of each class, also
            if a class is called so; None cycles through the classes.
        count: Number of images; with "all", rounded up to a multiple of the number of classes.
        class_names: Names of the classes; empty if they have none.

    Returns:
        Labels, shape `(n,)`, and the number of images per row; None for the default of `grid`.

    Raises:
        ConfigError: The model is not conditional, or has no such class.
    """
    classes = model.context
    if label is None:
        return torch.arange(count) % max(classes, 1), None
    if not classes:
        raise ConfigError(
            f"label={label}: the model is not conditional. Train one with conditional=True."
        )
    if label == "all":
        row = math.ceil(count / classes)
        return torch.arange(classes).repeat_interleave(row), row
    return torch.full((count,), find_class(label, classes, class_names)), None


def sample_images(
    model: VAE,
    config: Config,
    count: int,
    label: str | None = None,
    style_of: int | None = None,
    fit: str | None = None,
    seed: int = defaults.SEED,
    class_names: Sequence[str] = (),
) -> tuple[Tensor, int | None]:
    """The images of `vaecli sample`, and the number of images per row.

    Args:
        model: The trained model.
        config: Configuration of its run: `style_of` and `fit` read its images.
        count: Number of images.
        label: As in `choose_labels`.
        style_of: Position, from 0, of a test image whose latent is decoded with the labels that
            `label` chooses.
        fit: Spec of a prior that is fitted to the training latents and replaces that of the model:
            "gaussian", or one of `FITTED_PRIORS` such as "mixture:components=50"; "none" keeps it.
        seed: Seed of the latents.
        class_names: Names of the classes; empty if they have none.

    Returns:
        Pixel means, shape `(n, C, H, W)`, and the number of images per row; None for the default of
        `grid`.

    Raises:
        ConfigError: The options contradict each other or the model.
        NotFiniteError: The model overflows.
    """
    if style_of is not None and fit is not None:
        raise ConfigError(
            f"style_of={style_of} keeps the latent of an image, and fit={fit!r} samples new ones: "
            "use one of them."
        )
    labels, row = choose_labels(model, label, count, class_names)
    if style_of is not None:
        return sample_style(model, labels, seed, load_split(config, "test"), style_of), row
    if fit is not None:
        model = fit_to_latents(model, config, load_split(config, "train"), fit, seed)
    return sample_prior(model, labels, seed), row


def sample_prior(model: VAE, labels: Tensor, seed: int) -> Tensor:
    """Images decoded from latents of the prior, shape `(n, C, H, W)`.

    Args:
        model: The trained model; an unconditional one ignores the labels.
        labels: The class of every image, shape `(n,)`.
        seed: Seed of the latents.
    """
    with random_stream(model.device, seed, "samples"), evaluation_mode(model):
        c = _context(model, labels)
        z = require_finite(model.sample_latent(len(labels), c), "latents of the prior")
        return _decode(model, z, c)


def fit_to_latents(model: VAE, config: Config, train: Images, fit: str, seed: int) -> VAE:
    """The model with a prior that is fitted to the latents of training images.

    References:
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020),
            https://arxiv.org/abs/1903.12436

    Args:
        model: The trained model.
        config: Configuration of its run.
        train: Images with all their labels.
        fit: As in `sample_images`.
        seed: Seed of the fit.

    Raises:
        ConfigError: There is no such prior, it does not fit the model, or there are too few images.
    """
    spec = GAUSSIAN if fit == "gaussian" else fit
    config = resolve(config.with_values(fitted_prior=spec, seed=seed))
    prior = make_fitted_prior(config, model, train)
    if prior is None:
        return model
    for _ in fit_prior(prior, model, train, seed):
        pass
    return with_prior(model, prior)


def sample_style(model: VAE, labels: Tensor, seed: int, images: Images, index: int) -> Tensor:
    """Images that keep the latent of one image, decoded with the given labels.

    Args:
        model: A conditional model.
        labels: The class of every image, shape `(n,)`.
        seed: Seed of the pixels, if they are binarized at random.
        images: Images that include the one whose posterior mean is decoded.
        index: Position of that image, from 0.

    Returns:
        Pixel means, shape `(n, C, H, W)`.

    Raises:
        ConfigError: The model is not conditional, or there is no such image.
    """
    if not model.context:
        raise ConfigError(f"style_of={index} needs labels, but the model is not conditional.")
    if index >= len(images):
        raise ConfigError(f"style_of={index}: there are {len(images):,} images, numbered from 0.")
    with random_stream(model.device, seed, "samples"), evaluation_mode(model):
        [(x, c)] = batches(images.subset(slice(index, index + 1)), model.device)
        z = require_finite(model.embed(x, c), "latents").expand(len(labels), -1)
        return _decode(model, z, _context(model, labels))


def _decode(model: VAE, z: Tensor, c: Tensor | None) -> Tensor:
    """Pixel means, shape `(n, C, H, W)`, of latents z, shape `(n, D)`, decoded in parts.

    No part is small: torch rounds the product of a few rows differently from that of many.

    Raises:
        NotFiniteError: The model overflows.
    """
    pixels = []
    starts = range(0, max(1, len(z) - DECODED_AT_ONCE + 1), DECODED_AT_ONCE)
    for start, end in zip(starts, [*starts[1:], len(z)], strict=True):
        pixels.append(model.decode(z[start:end], None if c is None else c[start:end]))
    return require_finite(pixels[0] if len(pixels) == 1 else torch.cat(pixels), "pixels")


def _context(model: VAE, labels: Tensor) -> Tensor | None:
    """One-hot labels, shape `(n, classes)`, or None for an unconditional model."""
    return model.one_hot(labels) if model.context else None


def reconstruct(model: VAE, images: Images) -> tuple[Tensor, Tensor]:
    """The images and their reconstructions, both of shape `(N, C, H, W)`, on the CPU.

    A conditional model reads the labels of the images.

    Raises:
        NotFiniteError: The model overflows.
    """
    originals = []
    reconstructions = []
    with random_stream(model.device, "reconstructions"), evaluation_mode(model):
        for x, c in batches(images, model.device):
            originals.append(x.cpu())
            z = require_finite(model.embed(x, c), "latents")
            reconstructions.append(require_finite(model.decode(z, c), "pixels").cpu())
    return torch.cat(originals), torch.cat(reconstructions)
