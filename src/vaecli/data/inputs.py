"""Images from outside of a run's data set, prepared as those that it was trained on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..config.config import Config
from .images import Images
from .load_log import LoadLog
from .own_images import read_items
from .preparation import Preparation
from .readers.formats import list_paths


class Inputs(NamedTuple):
    """Images in the order in which they were given, with their names.

    Attributes:
        images: The images; without a class that the model knows, a label is hidden.
        names: What messages call them.
    """

    images: Images
    names: list[str]


def load_input(
    paths: Sequence[Path],
    config: Config,
    shape: tuple[int, int, int],
    class_names: tuple[str, ...],
    log: LoadLog,
) -> Inputs:
    """The images of files and folders.

    Args:
        paths: In the order wanted.
        config: Configuration of the run; its `resize`, `binarize` and `skip_bad` are used.
        shape: Shape of the images that the run was trained on, `(C, H, W)`.
        class_names: Names of its classes; labels are matched by name.
        log: Gets notices, and hears of the progress.

    Raises:
        DataError: An image cannot be read.
    """
    listing = list_paths(paths)
    log.notices += listing.notices
    channels, height, width = shape
    preparation = Preparation(height, width, channels, config.resize)
    source = ", ".join(map(str, paths))
    found, kept = read_items(listing.items, preparation, source, class_names, log, config.skip_bad)
    images = replace(found, binarize=config.binarize, class_names=class_names)
    return Inputs(images, [listing.items[position].name for position in kept])
