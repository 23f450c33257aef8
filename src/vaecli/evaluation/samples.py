"""How good the samples of a model are, beside real images."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..config import defaults
from ..config.config import Config
from ..data.images import Images
from ..data.splits import load_split, load_training
from ..model import VAE
from ..system.errors import ConfigError
from ..system.seeds import stream_generator
from .decoding import reconstruct, sample_prior
from .features import Features, feature_space, load_network, read_features
from .intervals import bootstrap_mean, share
from .sample_metrics import (
    CLEAR,
    NEAREST_PARTS,
    class_distance,
    frechet_estimate,
    nearest_distances,
    neighbourhoods,
)

SAMPLES = 10_000
MIN_SAMPLES = 1000  # with fewer, the Frechet distance in 128 features is mostly its own bias
NEIGHBOURHOOD_IMAGES = 5000  # samples and real images of precision, recall, density, coverage
NEAREST_IMAGES = 2000  # whose nearest training images are sought
PROGRESS_STEPS = 7 + 3 * NEAREST_PARTS


@dataclass(frozen=True)
class RealImages:
    """The real images that samples of a run are compared with; all are read in grey.

    Attributes:
        train: Some training images of the data set, as many as samples, chosen at random.
        seen: The images on which the run was trained.
        test: All test images of the data set.
    """

    train: Images
    seen: Images
    test: Images


def evaluate_samples(
    model: VAE,
    config: Config,
    count: int = SAMPLES,
    seed: int = defaults.SEED,
    on_progress: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """The result of `vaecli evaluate --metrics samples`.

    Args:
        model: The trained model. Samples are the pixel means decoded from latents of its prior; the
            labels of a conditional model cycle through the classes.
        config: Configuration of its run: names the data.
        count: Number of samples.
        seed: Seed of the latents, of random subsets and of bootstrap resamples.
        on_progress: Called with a number of steps; `PROGRESS_STEPS` are the whole.

    Returns:
        `metrics`, `feature_space`, `samples` and `seed`; then for each metric the `Estimate` of the
        samples as a mapping, with that of real images under `real`. `rarest` has the `digit`,
        `nearest_training_image` also the estimate of `reconstructions` of the same test images.
        `right` is there for conditional models only.

    Raises:
        ConfigError: There is no classifier for the data, or the count is too small or too large.
        NotFiniteError: The model overflows.
    """
    space = feature_space(config)
    if count < MIN_SAMPLES:
        raise ConfigError(
            f"count={count}: metrics=samples needs {MIN_SAMPLES:,} samples or more, because the "
            f"Frechet distance of fewer in {space.features} features says little."
        )
    real = load_real_images(config, count, seed)
    labels = torch.arange(count) % max(model.context, 1)
    x = sample_prior(model, labels, seed).cpu()
    on_progress(1)
    network = load_network(space)
    drawn = read_features(network, x)
    train = read_features(network, real.train.pixels(slice(None)))
    test = read_features(network, real.test.pixels(slice(None)))
    on_progress(1)
    figures = _describe(drawn, labels if model.context else None, seed)
    of_real = _describe(test, real.test.labels if model.context else None, seed)
    on_progress(1)
    figures |= _compare(drawn, test, seed, on_progress)
    of_real |= _compare(train, test, seed, on_progress)
    for name, figure in of_real.items():
        figures[name]["real"] = figure
    figures["nearest_training_image"] = _nearest(model, config, x, real, seed, on_progress)
    return {
        "metrics": "samples",
        "feature_space": space.name,
        "samples": count,
        "seed": seed,
        **figures,
    }


def load_real_images(config: Config, count: int, seed: int) -> RealImages:
    """The real images for a run, whatever images of its data set it was trained on.

    Args:
        config: Configuration of the run.
        count: Number of random training images.
        seed: Seed of their choice.

    Raises:
        ConfigError: There are fewer training images.
    """
    grey = config.with_values(test_images=None, binarize="none")
    train, seen = load_training(grey)
    if count > len(train):
        raise ConfigError(
            f"count={count}: metrics=samples compares with as many training images, and there are "
            f"{len(train):,}."
        )
    return RealImages(train.random_part(count, seed), seen, load_split(grey, "test"))


def _describe(images: Features, labels: Tensor | None, seed: int) -> dict[str, dict[str, Any]]:
    """What the classifier says of images alone.

    Args:
        images: N images.
        labels: The classes that they should have, shape `(N,)`, if the model is conditional.
        seed: Seed of the bootstrap.
    """
    highest, predicted = images.probabilities.max(1)
    clear = highest > CLEAR
    counts = predicted[clear].bincount(minlength=images.probabilities.shape[1])
    digit = int(counts.argmin())
    figures = {
        "clear": asdict(share(clear)),
        "rarest": {"digit": digit, **asdict(share(predicted[clear] == digit))},
    }
    if labels is not None:
        figures["right"] = asdict(share(clear & (predicted == labels)))
    classes = predicted if labels is None else labels
    random = stream_generator(seed, "class distance")
    figures["class_distance"] = asdict(class_distance(images.values, classes, random))
    return figures


def _compare(
    images: Features, test: Features, seed: int, on_progress: Callable[[int], object]
) -> dict[str, dict[str, Any]]:
    """How features of images compare with those of test images."""
    random = stream_generator(seed, "bootstrap")
    frechet = frechet_estimate(images.values, test.values, random)
    on_progress(1)
    size = min(NEIGHBOURHOOD_IMAGES, len(images.values), len(test.values))
    terms = neighbourhoods(
        images.values[_choose(len(images.values), size, seed)],
        test.values[_choose(len(test.values), size, seed)],
    )
    on_progress(1)
    figures = {
        "frechet_distance": frechet,
        "precision": share(terms.precision),
        "recall": share(terms.recall),
        "density": bootstrap_mean(terms.density, random),
        "coverage": share(terms.coverage),
    }
    return {name: asdict(figure) for name, figure in figures.items()}


def _nearest(
    model: VAE,
    config: Config,
    x: Tensor,
    real: RealImages,
    seed: int,
    on_progress: Callable[[int], object],
) -> dict[str, Any]:
    """Distances of samples x, of test images and of their reconstructions to training images."""
    test = real.test.subset(_choose(len(real.test), NEAREST_IMAGES, seed))
    read = replace(test, binarize=config.binarize).fix_pixels(seed)
    _, reconstructions = reconstruct(model, read)
    found = []
    for images in (
        x[_choose(len(x), NEAREST_IMAGES, seed)],
        test.pixels(slice(None)),
        reconstructions,
    ):
        distances = nearest_distances(images, real.seen, on_progress)
        found.append(asdict(bootstrap_mean(distances, stream_generator(seed, "bootstrap"))))
    return {**found[0], "real": found[1], "reconstructions": found[2]}


def _choose(n: int, count: int, seed: int) -> Tensor:
    """Positions of at most `count` of n images, at random: the first of MNIST are easier."""
    return torch.randperm(n, generator=stream_generator(seed, "neighbourhoods"))[:count]
