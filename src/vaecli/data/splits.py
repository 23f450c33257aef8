"""The images of a configuration, by split."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..config.config import Config
from ..config.spec import lookup
from ..system.errors import ConfigError, DataError
from .images import Images
from .readers.named import READERS


class Splits(NamedTuple):
    """The images of a configuration; those for validation, if any, are not in `train`."""

    train: Images
    test: Images
    validation: Images | None = None


def load(config: Config) -> Splits:
    """All images of a configuration.

    Raises:
        DataError: A file is missing or damaged, or the splits differ in image size.
        ConfigError: More images are asked for than there are.
    """
    train, test = _read(config, "train"), _read(config, "test")
    classes = max(train.classes, test.classes)  # either may lack the last ones
    train, test = replace(train, classes=classes), replace(test, classes=classes)
    train, validation = _hold_out(train, config.validation or 0)
    if config.labels:
        train = train.hide(config.labels, config.seed)
    if train.shape != test.shape:
        raise DataError(f"Training images have shape {train.shape}, test images {test.shape}.")
    return Splits(train, test, validation)


def load_split(config: Config, split: str) -> Images:
    """The `"train"`, `"test"` or `"validation"` images of a configuration."""
    if split == "test":
        return _read(config, split)
    train, validation = _hold_out(_read(config, "train"), config.validation or 0)
    if split == "train":
        return train
    if validation is None:
        raise ConfigError("The run was trained without a validation set: it held out no images.")
    return validation


def _hold_out(images: Images, count: int) -> tuple[Images, Images | None]:
    """All but the last `count` images, and these."""
    if not count:
        return images, None
    if count >= len(images):
        raise ConfigError(
            f"validation={count}: of {len(images):,} training images none would be left."
        )
    rest = len(images) - count
    return images.first(rest), images.at(slice(rest, None))


def _read(config: Config, split: str) -> Images:
    directory = None if config.data_dir is None else Path(config.data_dir)
    x, labels = lookup(READERS, config.data, "data set")(directory, split)
    images = Images(x.unsqueeze(1), labels, binarize=config.binarize)
    first = config.train_images if split == "train" else config.test_images
    return images if first is None else images.first(first)
