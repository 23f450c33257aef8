"""`OwnImages`: the images of the user, from a folder, an archive, an array or a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config.config import Config
from ..config.image_sizes import format_image_size
from ..system import machine
from ..system.errors import DataError
from .assignment import assign
from .decoding import decode, read_outlines
from .load_log import LoadLog
from .preparation import Preparation, choose_preparation, decoded_bytes, is_chosen
from .readers.entries import describe
from .readers.formats import list_images
from .readers.item import Item


class OwnImages:
    """The images of a path, listed and assigned to splits, but not decoded yet.

    Args:
        config: Its `data` is the path.
        log: Gets the notices, and hears of the progress.

    Attributes:
        class_names: In alphabetical order; empty for images without labels.
        preparation: How the images become pixels.

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
        train, validation, test = assign(listing.items, config.test_fraction)
        self._held_out = len(validation)
        # the last images of the training file are held out: those of a validation folder
        self._items = {"train": [*train, *validation], "test": test}
        self.preparation = self._prepare(listing.items)

    def read(self, file: str) -> tuple[Tensor, Tensor]:
        """Pixels, shape `(N, C, H, W)`, and labels, shape `(N,)`.

        Args:
            file: "train" for training and validation images, or "test".

        Raises:
            DataError: An image cannot be read.
            ResourceError: They do not fit in memory.
        """
        items = self._items[file]
        skip_bad = self._config.skip_bad
        return read_items(items, self.preparation, self.class_names, self._log, skip_bad)[:2]

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
        outlines = [outline for _, outline in read_outlines(items, survey, self._config.skip_bad)]
        sizes = {(outline.width, outline.height) for outline in outlines}
        prepared = choose_preparation(self._config, outlines)
        if len(sizes) > 1:
            self._log.notices.append(
                f"The images have {len(sizes):,} sizes: resize={self._config.resize!r} makes all "
                f"{prepared.width}x{prepared.height}."
            )
        if animated := sum(outline.frames > 1 for outline in outlines):
            self._log.notices.append(f"Of {animated:,} animations the first frame is taken.")
        return prepared


def class_names_of(items: Sequence[Item]) -> tuple[str, ...]:
    """The names of the classes, in alphabetical order; none if one of the images has no label."""
    names = {item.label for item in items}
    return () if None in names else tuple(sorted(name for name in names if name is not None))


def read_items(
    items: Sequence[Item],
    preparation: Preparation,
    class_names: Sequence[str],
    log: LoadLog,
    skip_bad: bool,
) -> tuple[Tensor, Tensor, list[int]]:
    """Pixels, shape `(N, C, H, W)`, labels, shape `(N,)`, and positions of images, in their order.

    Args:
        items: The images.
        preparation: How they become pixels.
        class_names: Names of the classes; the label of an image is the position of its class among
            them, or their number for an image of none of them.
        log: Hears of the progress, and why images were left out.
        skip_bad: Whether to leave out images that cannot be read.

    Raises:
        DataError: An image cannot be read, or none of them can.
        ResourceError: They do not fit in memory.
    """
    size = decoded_bytes(len(items), preparation)
    machine.require_memory(size, f"{len(items):,} images of {preparation.shape}")
    pixels = torch.empty(len(items), *preparation.shape, dtype=torch.uint8)
    kept: list[int] = []
    for position, image in decode(items, preparation, log, skip_bad):
        pixels[len(kept)] = image
        kept.append(position)
    if not kept:
        raise DataError(f"None of {len(items):,} images can be read. {log.bad[0]}")
    number = {name: label for label, name in enumerate(class_names)}
    hidden = len(class_names)
    labels = torch.tensor([number.get(items[position].label or "", hidden) for position in kept])
    return pixels[: len(kept)], labels, kept
