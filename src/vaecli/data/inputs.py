"""Images from outside of a run's data set, prepared as those that it was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ..config.config import Config
from ..system.errors import DataError
from .class_names import listed, shown
from .images import Images
from .load_log import LoadLog
from .own_images import read_items
from .preparation import Preparation
from .readers.entries import describe
from .readers.formats import list_paths
from .readers.item import Item


class Inputs(NamedTuple):
    """Images in the order in which they were given, with their names.

    Attributes:
        images: The images; without a class that the model knows, a label is hidden.
        names: What messages call them.
    """

    images: Images
    names: list[str]


@dataclass(frozen=True)
class Training:
    """What images from elsewhere have to have in common with those of training.

    Attributes:
        shape: Shape of an image, `(C, H, W)`.
        classes: Number of classes.
        class_names: Their names; empty if they have none but their numbers.
        needs_labels: Whether the model reads the class of an image.
    """

    shape: tuple[int, int, int]
    classes: int = 0
    class_names: tuple[str, ...] = ()
    needs_labels: bool = False

    @property
    def folder_names(self) -> tuple[str, ...]:
        """What the folder of each class is called: by its name, or else by its number."""
        return self.class_names or tuple(map(str, range(self.classes)))


def load_input(
    paths: Sequence[Path], config: Config, training: Training, log: LoadLog, skip_bad: bool = False
) -> Inputs:
    """The images of files and folders; their labels are matched by the names of the classes.

    An image without a class gets that of the folder in which it lies, if it is one of the model.

    Args:
        paths: In the order wanted.
        config: Configuration of the run; its `resize` and `binarize` are used.
        training: Of the images that the run was trained on.
        log: Gets notices, and hears of the progress and of images that are left out.
        skip_bad: Whether to leave out images that cannot be read.

    Raises:
        DataError: An image cannot be read, or lacks a class that the model knows and needs.
        ResourceError: The images do not fit in memory.
    """
    listing = list_paths(paths)
    log.notices += listing.notices
    if skipped := describe(listing.skipped):
        log.notices.append(f"Skipped: {skipped}.")
    items = [_labelled(item, training) for item in listing.items]
    _check_labels(items, training, log)
    channels, height, width = training.shape
    preparation = Preparation(height, width, channels, config.resize)
    source = str(paths[0])
    if len(paths) > 1:
        source += f" and {len(paths) - 1:,} more"
    found, kept = read_items(items, preparation, source, training.folder_names, log, skip_bad)
    images = replace(found, binarize=config.binarize, class_names=training.class_names)
    return Inputs(images, [items[position].name for position in kept])


def _labelled(item: Item, training: Training) -> Item:
    """The image, with the class whose name its folder has if it has no other.

    Where there is only one folder, or an image alone, no class was found.
    """
    folder = Path(item.name).absolute().parent.name
    if item.label is None and folder in training.folder_names:
        return replace(item, label=folder)
    return item


def _check_labels(items: Sequence[Item], training: Training, log: LoadLog) -> None:
    """Raise a `DataError` for an image whose label the model needs, but cannot know."""
    known = listed(training.folder_names)
    unknown: dict[str, Item] = {}
    for item in items:
        if item.label is None and training.needs_labels:
            raise DataError(
                f"{item.name} has no class, and a conditional model needs it: put the images into "
                f"folders with the names of the classes, {known}, and name the folder above them."
            )
        if item.label is not None and item.label not in training.folder_names:
            unknown.setdefault(item.label, item)
    for label, item in unknown.items():
        if training.needs_labels:
            raise DataError(
                f"{item.name} is of the class {shown(label)!r}, which the model does not know: "
                f"rename its folder to one of {known}."
            )
    if unknown and training.classes:
        log.notices.append(
            f"The model does not know the class {listed(sorted(unknown))}: these images have no "
            "label."
        )
