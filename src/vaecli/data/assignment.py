"""Which of the user's images are for training, validation and test."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from ..system.errors import DataError
from .readers.item import Item


class Assigned(NamedTuple):
    """The images of each split.

    All are in the order of a hash of their names: the first N are then a fair sample.
    """

    train: list[Item]
    validation: list[Item]
    test: list[Item]


def assign(items: Sequence[Item], test_fraction: float) -> Assigned:
    """Give every image to a split.

    Images keep the split in which the data set puts them. If it has no test images, the given
    fraction of each class of the training images is taken. The choice follows from the names of the
    images alone: runs with different seeds are tested on the same images.

    Raises:
        DataError: There are too few images.
    """
    ordered = sorted(items, key=lambda item: _hash(item.name))
    validation = [item for item in ordered if item.split == "validation"]
    test = [item for item in ordered if item.split == "test"]
    train = [item for item in ordered if item.split in ("train", None)]
    if not train:
        raise DataError(
            f"There are {len(test):,} test and {len(validation):,} validation images, but none for "
            "training: name one of the folders train."
        )
    if not test:
        train, test = _hold_out(train, test_fraction)
    return Assigned(train, validation, test)


def _hold_out(items: list[Item], fraction: float) -> tuple[list[Item], list[Item]]:
    """Training and test images; the fraction is met in each class, up to one image.

    The images of a class of n stand at (rank + offset) / n on a line from 0 to 1, where each class
    has its own offset: those beyond 1 - fraction are test images. So the whole fraction is met as
    well, however small the classes are.
    """
    if len(items) < 2:
        raise DataError("There is only 1 image: training and test images need at least 2.")
    classes: defaultdict[str | None, list[Item]] = defaultdict(list)
    for item in items:
        classes[item.label].append(item)
    place: dict[str, float] = {}
    for label, members in classes.items():
        offset = _hash(f"class {label}") / 2**64
        for rank, item in enumerate(members):
            place[item.name] = (rank + offset) / len(members)
    by_place = sorted(items, key=lambda item: place[item.name])
    count = sum(value >= 1 - fraction for value in place.values())
    held_out = {item.name for item in by_place[-min(max(count, 1), len(items) - 1) :]}
    train = [item for item in items if item.name not in held_out]
    return train, [item for item in items if item.name in held_out]


def _hash(text: str) -> int:
    """A number below 2**64 that is always the same for this text."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
