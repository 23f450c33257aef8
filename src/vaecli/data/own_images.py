"""`OwnImages`: the images of the user, from a folder, an archive, an array or a table."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config.config import Config
from ..config.image_sizes import format_image_size
from .assignment import assign
from .decoding import read_outlines
from .images import Images
from .load_log import LoadLog
from .pixels import NoneReadableError, read_pixels
from .preparation import Preparation, choose_preparation, is_chosen
from .readers.entries import describe
from .readers.formats import list_images
from .readers.item import Item, Outline


class OwnImages:
    """The images of a path, listed and assigned to splits, but not decoded yet.

    Args:
        config: Its `data` is the path.
        log: Gets the notices, and hears of the progress.

    Attributes:
        class_names: In order, "2" before "10"; empty if an image has no label.
        preparation: How the images become pixels.
        has_validation: Whether the data set itself has validation images.

    Raises:
        DataError: There are no images, or one of them cannot be read.
    """

    def __init__(self, config: Config, log: LoadLog) -> None:
        self._config = config
        self._log = log
        listing = list_images(Path(config.data))
        log.notices += listing.notices
        if skipped := describe(listing.skipped):
            log.notices.append(f"Skipped: {skipped}.")
        self.class_names = class_names_of(listing.items)
        unlabelled = sum(item.label is None for item in listing.items)
        if 0 < unlabelled < len(listing.items):
            log.notices.append(
                f"{unlabelled:,} of {len(listing.items):,} images have no label: none is used."
            )
        train, validation, test = assign(listing.items, config.test_fraction)
        self.has_validation = bool(validation)
        self._for_training = len(train)
        self._held_out = 0  # until the training file is read
        # the last images of the training file are held out: those of a validation folder
        self._items = {"train": [*train, *validation], "test": test}
        self.preparation = self._prepare(listing.items)

    def read(self, file: str) -> Images:
        """The images with their labels.

        Args:
            file: "train" for training and validation images, or "test".

        Raises:
            DataError: An image cannot be read.
            ResourceError: They fit neither in memory nor on the disk.
        """
        items = self._items[file]
        try:
            images, kept = read_items(
                items,
                self.preparation,
                self._config.data,
                self.class_names,
                self._log,
                self._config.skip_bad,
            )
        except NoneReadableError as error:  # there may be others in the other file
            kind = "test images" if file == "test" else "training images"
            raise NoneReadableError(f"{len(items):,} {kind}", error.reason) from error
        if file == "train":
            self._held_out = sum(position >= self._for_training for position in kept)
        return images

    def count_classes(self, labels: Tensor) -> int:
        """Number of classes, those of the whole data set."""
        return len(self.class_names)

    def findings(self) -> dict[str, Any]:
        """The size, the channels and the number of validation images that were found.

        Commands that read the run then prepare images in the same way, whatever the folder holds by
        then.
        """
        channels, height, width = self.preparation.shape
        return {
            "image_size": format_image_size(height, width),
            "channels": str(channels),
            "validation": self._config.validation or self._held_out or None,
        }

    def _prepare(self, items: Sequence[Item]) -> Preparation:
        if is_chosen(self._config):
            return choose_preparation(self._config)
        survey = LoadLog(self._log.on_progress)  # decoding will meet the bad images again
        sizes: set[tuple[int, int]] = set()
        animations = 0

        def watched() -> Iterator[Outline]:
            nonlocal animations
            for outline in read_outlines(items, survey, self._config.skip_bad):
                sizes.add((outline.width, outline.height))
                animations += outline.frames > 1
                yield outline

        prepared = choose_preparation(self._config, watched())
        if len(sizes) > 1:
            self._log.notices.append(
                f"The images have {len(sizes):,} sizes: resize={self._config.resize!r} makes them "
                f"{prepared.width}x{prepared.height}."
            )
        if animations:
            noun = "animation" if animations == 1 else "animations"
            self._log.notices.append(f"Of {animations:,} {noun} the first frame is taken.")
        return prepared


def class_names_of(items: Sequence[Item]) -> tuple[str, ...]:
    """The names of the classes, with numbers in them by size; none if an image has no label."""
    names = {item.label for item in items}
    if None in names:
        return ()
    return tuple(sorted((name for name in names if name is not None), key=_by_numbers))


def _by_numbers(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """A key that sorts names alphabetically, but numbers in them by size."""
    key = []
    for number, text in re.findall(r"0*([0-9]+)|([^0-9]+)", name):
        # of two numbers the one with more digits is larger: int() refuses some thousand digits
        key.append((not number, len(number), number or text))
    return key, name


def read_items(
    items: Sequence[Item],
    preparation: Preparation,
    source: str,
    class_names: Sequence[str],
    log: LoadLog,
    skip_bad: bool,
) -> tuple[Images, list[int]]:
    """Images with their labels, and their positions among the items, in their order.

    Args:
        items: The images.
        preparation: How they become pixels.
        source: The path that they come from, or several.
        class_names: Names of the classes; the label of an image is the position of its class among
            them, or their number for an image of none of them.
        log: Hears of the progress, and why images were left out.
        skip_bad: Whether to leave out images that cannot be read.

    Raises:
        DataError: An image cannot be read, or none of them can.
        ResourceError: They fit neither in memory nor on the disk.
    """
    found = read_pixels(items, preparation, source, log, skip_bad)
    number = {name: label for label, name in enumerate(class_names)}
    hidden = len(class_names)
    labels = torch.tensor(
        [number.get(items[position].label or "", hidden) for position in found.kept]
    )
    return Images(found.x, labels, hidden, mapped=found.mapped), found.kept
