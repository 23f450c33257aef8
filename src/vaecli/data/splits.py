"""Splits: the training, validation and test images of a configuration."""

from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from ..config.config import Config
from ..system.errors import ConfigError, DataError
from .images import Images
from .load_log import LoadLog
from .sources import Source, open_source


class Splits(NamedTuple):
    """The images of a configuration; `train` does not contain the validation images."""

    train: Images
    test: Images
    validation: Images | None = None

    def fingerprints(self) -> dict[str, str]:
        """The SHA-256 of each split."""
        return {name: part.fingerprint() for name, part in self._asdict().items() if part}


class Loaded(NamedTuple):
    """All splits of a configuration, and the configuration that loads the same ones again.

    Attributes:
        splits: The images.
        config: For the user's own images it has the size, the channels and the number of validation
            images that were found; commands that read the run then prepare images in the same way,
            whatever the folder holds by then.
    """

    splits: Splits
    config: Config


def load(config: Config) -> Splits:
    """All splits of a configuration; with `labels` set, the other training labels are hidden.

    Raises:
        DataError: A file is missing or damaged, or training and test images differ in size.
        ConfigError: There are fewer images or labels than the configuration asks for.
    """
    return load_all(config, LoadLog()).splits


def load_all(config: Config, log: LoadLog) -> Loaded:
    """As `load`, with the configuration that was found, and a log of what happened.

    Raises:
        DataError: As for `load`.
        ConfigError: As for `load`.
    """
    source = open_source(config, log)
    if not source.has_validation:
        config.require_validation()
    # The test file is the smaller one: damage to it is found before the training file is read.
    test_file = source.read("test")
    train_file = source.read("train")
    if train_file.shape != test_file.shape:
        raise DataError(
            f"Training images have shape {train_file.shape}, test images {test_file.shape}."
        )
    config = config.with_values(**source.findings())
    config.require_validation()  # none of the validation images may be readable
    # one of the two may lack images of the last classes
    classes = max(
        _count_classes(config, source, "train", train_file.labels),
        _count_classes(config, source, "test", test_file.labels),
    )
    train = _select(config, source, "train", train_file, classes)
    test = _select(config, source, "test", test_file, classes)
    validation = None
    if config.validation:
        validation = _select(config, source, "validation", train_file, classes)
    if config.labels:
        train = train.hide_labels(config.labels, config.seed)
    return Loaded(Splits(train, test, validation), config)


def load_split(config: Config, split: str, log: LoadLog | None = None) -> Images:
    """The images of one split, with all their labels.

    Args:
        config: Names the data set.
        split: train, validation or test.
        log: Hears of the progress.

    Raises:
        DataError: A file is missing or damaged.
        ConfigError: There are fewer images than the configuration asks for, or it has no validation
            images.
    """
    if split == "validation" and not config.validation:
        raise ConfigError("No images were held out for validation: train with validation=N.")
    file = "test" if split == "test" else "train"
    source = open_source(config, log or LoadLog())
    images = source.read(file)
    classes = _count_classes(config, source, file, images.labels)
    return _select(config, source, split, images, classes)


def load_training(config: Config) -> tuple[Images, Images]:
    """All images of the training file, and those that a run was trained on.

    Args:
        config: Configuration of the run.

    Raises:
        DataError: A file is missing or damaged.
        ConfigError: There are fewer images than the configuration asks for.
    """
    source = open_source(config, LoadLog())
    file = source.read("train")
    classes = source.count_classes(file.labels)
    whole = config.with_values(train_images=None, validation=None, patience=None)
    every, used = (_select(chosen, source, "train", file, classes) for chosen in (whole, config))
    return every, used


class Part(NamedTuple):
    """Images to evaluate, and what to know about the choice.

    Attributes:
        images: The images, with pixels that no longer change.
        of: Number of images in the whole split.
        warnings: Why they may differ from the whole split.
        whole: All that they were chosen from.
    """

    images: Images
    of: int
    warnings: list[str]
    whole: Images


def load_part(config: Config, split: str, count: int | None, seed: int) -> Part:
    """A split, or a random part of it, to be evaluated.

    Args:
        config: Names the data set; it may limit the split to its first images.
        split: train, validation or test.
        count: Number of images; None for all that the configuration uses.
        seed: Seed of the choice and of binarized pixels.

    Raises:
        DataError: A file is missing or damaged.
        ConfigError: There are fewer images, or the run has no validation images.
    """
    used = load_split(config, split)
    of = len(used)
    warnings = []
    limit = getattr(config, f"{split}_images", None)
    if limit is not None:
        whole = config.with_values(train_images=None, test_images=None)
        of = len(load_split(whole, split))
    if len(used) < of:
        is_mnist = config.data == "mnist"
        easier = "The first images of MNIST are easier than the rest: do" if is_mnist else "Do"
        warnings.append(
            f"These are the first {len(used):,} of {of:,} {split} images, because the run has "
            f"{split}_images={limit}. {easier} not compare their numbers with those of all."
        )
    part = choose_part(used, split, count, seed)
    return Part(part.images, of, warnings + part.warnings, used)


def choose_part(images: Images, kind: str, count: int | None, seed: int) -> Part:
    """Some images, or a random part of them, to be evaluated.

    Args:
        images: The images.
        kind: Which they are, such as "test", for a warning.
        count: Number of images to evaluate; None for all.
        seed: Seed of the choice and of binarized pixels.

    Raises:
        ConfigError: There are fewer images.
    """
    whole = images.fix_pixels(seed)
    if count is None or count == len(whole):
        return Part(whole, len(whole), [], images)
    warning = (
        f"These are {count:,} of {len(whole):,} {kind} images, chosen at random by the seed: "
        "their numbers differ from those of all."
    )
    return Part(whole.random_part(count, seed), len(whole), [warning], images)


def _count_classes(config: Config, source: Source, file: str, labels: Tensor) -> int:
    """Number of classes among the images used from the training or test file."""
    option = f"{file}_images"
    limit = _limited(len(labels), option, getattr(config, option))
    return source.count_classes(labels[:limit])


def _select(config: Config, source: Source, split: str, file: Images, classes: int) -> Images:
    images = file.subset(split_range(config, split, len(file), source.has_validation))
    return replace(
        images, classes=classes, binarize=config.binarize, class_names=source.class_names
    )


def split_range(config: Config, split: str, count: int, has_validation: bool = False) -> slice:
    """The positions of a split among the images of its file.

    The first `train_images` images of the training file are used; the last `validation` of these
    are held out. If the data set itself has validation images, which end the file, then the last
    of the file are held out, and the first `train_images` of the others are used. Of the test file
    the first `test_images` are used.

    Args:
        config: Has the number of images to use and to hold out.
        split: train, validation or test.
        count: Number of images in the file.
        has_validation: Whether the data set itself has validation images.

    Raises:
        ConfigError: The file has too few images.
    """
    if split == "test":
        return slice(_limited(count, "test_images", config.test_images))
    held_out = config.validation or 0
    limit = config.train_images
    end = count if has_validation else _limited(count, "train_images", limit)
    left = end - held_out
    if held_out and left <= 0:
        raise ConfigError(
            f"validation={held_out}: none of the {end:,} training images would be left."
        )
    if split == "validation":
        return slice(left, end)
    return slice(_limited(left, "train_images", limit) if has_validation else left)


def _limited(count: int, option: str, limit: int | None) -> int:
    """`limit`, the value of an option, or `count` if it is not set."""
    if limit is None:
        return count
    if limit > count:
        raise ConfigError(f"{option}={limit}: there are only {count:,} images.")
    return limit
