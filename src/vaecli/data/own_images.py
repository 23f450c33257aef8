"""`OwnImages`: the images of the user, from a folder, an archive, an array or a table."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..config.config import Config
from ..config.image_sizes import format_image_size
from ..system import machine
from ..system.errors import DataError
from .assignment import assign
from .cache import Cached, cache_key, make_cached, needs_cache, windows_of
from .decoding import decode, read_outlines
from .load_log import LoadLog
from .mapped import MappedPixels
from .preparation import Preparation, choose_preparation, decoded_bytes, is_chosen
from .readers.entries import describe
from .readers.formats import list_images
from .readers.item import BadImageError, Item, Outline


class Pixels(NamedTuple):
    """The images of a file of a data set.

    Attributes:
        x: Unsigned bytes, shape `(N, C, H, W)`.
        labels: Classes from 0, shape `(N,)`.
        mapped: What x is a slice of, if the pixels are mapped from a file; None in memory.
    """

    x: Tensor
    labels: Tensor
    mapped: MappedPixels | None = None


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
        self._cached: Cached | None = None

    def read(self, file: str) -> Pixels:
        """The images of "train", which ends with the validation images, or "test".

        Raises:
            DataError: An image cannot be read.
            ResourceError: They do not fit in memory or on the disk.
        """
        count = sum(map(len, self._items.values()))
        if needs_cache(count, self.preparation.shape):
            return self._read_cached(file)
        skip_bad = self._config.skip_bad
        items = self._items[file]
        x, kept = read_items(items, self.preparation, self._log, skip_bad)
        return Pixels(x, labels_of([items[n] for n in kept], self.class_names))

    def _read_cached(self, file: str) -> Pixels:
        """As `read`, from the cache of all images, where those of "test" come last."""
        items = [*self._items["train"], *self._items["test"]]
        if self._cached is None:
            self._cached = self._open_cache(items)
        kept, mapped = self._cached.kept, self._cached.mapped
        train = int((kept < len(self._items["train"])).sum())
        place = slice(train) if file == "train" else slice(train, None)
        labels = labels_of([items[n] for n in kept[place].tolist()], self.class_names)
        if not len(labels):
            raise DataError(f"None of the {file} images can be read. {self._log.bad[0]}")
        return Pixels(mapped.pixels[place], labels, mapped)

    def _open_cache(self, items: Sequence[Item]) -> Cached:
        log, config = self._log, self._config
        stamps = ((item.name, item.stamp) for item in items)
        cached = make_cached(
            cache_key(stamps, config.data, self.preparation),
            len(items),
            self.preparation.shape,
            lambda: windows_of(decode(items, self.preparation, log, config.skip_bad)),
            # read when all are decoded: the list has the bad images then
            {"source": config.data, "bad": log.bad},
            lambda: log.on_progress("waiting for another vaecli that decodes them", 0, len(items)),
        )
        log.cache = str(cached.folder)
        log.notices += cached.notices
        log.notices.append(
            f"The decoded images ({cached.mapped.pixels.nbytes / 1e9:.1f} GB) are kept in "
            f"{cached.folder}: vaecli data cache lists and clears such folders."
        )
        bad: list[str] = list(cached.description["bad"])
        if bad and not config.skip_bad:
            raise BadImageError(bad[0])
        log.bad = bad
        return cached

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
        sizes: set[tuple[int, int]] = set()
        animations = 0

        def watched() -> Iterator[Outline]:
            nonlocal animations
            survey = LoadLog(self._log.on_progress)  # decoding will meet the bad images again
            for outline in read_outlines(items, survey, self._config.skip_bad):
                sizes.add((outline.width, outline.height))
                animations += outline.frames > 1
                yield outline

        chosen = choose_preparation(self._config, watched())
        if len(sizes) > 1:
            self._log.notices.append(
                f"The images have {len(sizes):,} sizes: resize={self._config.resize!r} makes all "
                f"{chosen.width}x{chosen.height}."
            )
        if animations:
            self._log.notices.append(f"Of {animations:,} animations the first frame is taken.")
        return chosen


def class_names_of(items: Sequence[Item]) -> tuple[str, ...]:
    """The names of the classes, in alphabetical order; none if one of the images has no label."""
    names = {item.label for item in items}
    return () if None in names else tuple(sorted(name for name in names if name is not None))


def labels_of(items: Sequence[Item], class_names: Sequence[str]) -> Tensor:
    """The labels of images, shape `(N,)`: the positions of their classes among `class_names`.

    An image of none of these classes has the number of classes as its label, which hides it.
    """
    number: dict[str | None, int] = {name: label for label, name in enumerate(class_names)}
    return torch.tensor([number.get(item.label, len(class_names)) for item in items])


def read_items(
    items: Sequence[Item], preparation: Preparation, log: LoadLog, skip_bad: bool
) -> tuple[Tensor, list[int]]:
    """Pixels, shape `(N, C, H, W)`, in memory, and the positions of the images that they are of.

    Args:
        items: The images.
        preparation: How they become pixels.
        log: Hears of the progress, and why images were left out.
        skip_bad: Whether to leave out images that cannot be read.

    Raises:
        DataError: An image cannot be read, or none of them can.
        ResourceError: They do not fit in memory.
    """
    size = decoded_bytes(len(items), preparation)
    machine.require_memory(size, f"{len(items):,} images of {preparation.shape}")
    x = torch.empty(len(items), *preparation.shape, dtype=torch.uint8)
    kept: list[int] = []
    for position, image in decode(items, preparation, log, skip_bad):
        x[len(kept)] = image
        kept.append(position)
    if not kept:
        raise DataError(f"None of {len(items):,} images can be read. {log.bad[0]}")
    return x[: len(kept)], kept
