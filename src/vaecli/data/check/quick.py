"""`quick_check`: faults of images in memory, found in a small part of the time of decoding them."""

import hashlib
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..images import Images
from .classes import FEW_IMAGES, fewest_expected
from .finding import counted

MOST = 3  # notices
BYTES = 256  # of an image that are compared first
BANDS = 16  # parts of an image that these are from
MAX_READ = 2**30  # bytes of a split that are looked at: more may lie on a disk
MAX_DRAWN = 10_000  # images whose brightness is looked at
MANY_COPIES = 0.01  # of the training images
DARK = 45  # grey level that 99 % of the pixels of an image set should not stay below
BRIGHT = 210  # grey level that 99 % should not stay above
NAMED = 3  # classes that a notice names
MORE = "`vaecli data check` names them"


class _Places(NamedTuple):
    """Where equal images are.

    Attributes:
        groups: The splits of the images of each group, once per image.
        constant: Number of images of one colour in each split.
        looked_at: Number of images in each split that were compared.
    """

    groups: list[list[str]]
    constant: Counter[str]
    looked_at: dict[str, int]


def quick_check(splits: Mapping[str, Images]) -> list[str]:
    """At most three notices about faults, the worst first; none if all is well.

    It finds exact copies in several splits, many copies in the training images, images of one
    colour, a set that is nearly black or white, and tiny classes. Of each split, at most 1 GiB of
    evenly spaced images is read.

    Args:
        splits: Images by "train", "test" and "validation", as far as there are any.
    """
    places = _equal_images(splits)
    notices = [
        *_leaks(places),
        *_brightness(splits),
        *_constant(places),
        *_copies(places),
        *_tiny_classes(splits),
    ]
    return notices[:MOST]


def _equal_images(splits: Mapping[str, Images]) -> _Places:
    """Equal images: a few bytes of all images are compared, and all bytes where these agree."""
    keys: list[int] = []
    origins: list[tuple[str, int]] = []  # split and step of each part of `keys`
    starts = [0]
    constant: Counter[str] = Counter()
    looked_at = {}
    for split, images in splits.items():
        every = _step(images)
        sample = _sample(images, every)
        looked_at[split] = len(sample)
        for position in np.flatnonzero(sample.min(1) == sample.max(1)).tolist():
            x = images.x[position * every]
            constant[split] += bool((x == x.flatten()[0]).all())
        content = sample.tobytes()
        width = sample.shape[1]
        keys += [hash(content[at : at + width]) for at in range(0, len(content), width)]
        origins.append((split, every))
        starts.append(len(keys))
    groups: defaultdict[bytes, list[str]] = defaultdict(list)
    for place in _repeated(keys):
        part = bisect_right(starts, place) - 1
        split, every = origins[part]
        pixels = splits[split].x[(place - starts[part]) * every].cpu().contiguous().numpy()
        groups[hashlib.blake2b(pixels.data, digest_size=16).digest()].append(split)
    equal = [group for group in groups.values() if len(group) > 1]
    return _Places(equal, constant, looked_at)


def _repeated(keys: Sequence[int]) -> list[int]:
    """The places of the keys that occur more than once."""
    _, inverse, counts = np.unique(
        np.array(keys, np.int64), return_inverse=True, return_counts=True
    )
    places: list[int] = np.flatnonzero(counts[inverse] > 1).tolist()
    return places


def _step(images: Images) -> int:
    """Every how manieth image is looked at."""
    size = images.x[0].numel() if len(images) else 1
    return max(1, -(-len(images) * size // MAX_READ))


def _sample(images: Images, every: int) -> NDArray[np.uint8]:
    """Some bytes of every n-th image, from all over it, shape `(N, B)`."""
    if not len(images):
        return np.empty((0, 1), np.uint8)
    x = images.x[::every].flatten(1)
    if x.shape[1] > BYTES:
        width = x.shape[1] // BANDS
        bands = x[:, : BANDS * width].unflatten(1, (BANDS, width))
        middle = (width - BYTES // BANDS) // 2
        x = bands[:, :, middle : middle + BYTES // BANDS].flatten(1)
    sample: NDArray[np.uint8] = x.contiguous().cpu().numpy()
    return sample


def _leaks(places: _Places) -> list[str]:
    leaked = Counter(
        split for group in places.groups if "train" in group for split in group if split != "train"
    )
    return [
        f"{count:,} of {places.looked_at[split]:,} {split} images are also training images, so "
        f"that the {split} loss looks better than it is: remove them from one of the splits; "
        f"{MORE}."
        for split, count in leaked.items()
    ]


def _copies(places: _Places) -> list[str]:
    copies = sum(max(0, group.count("train") - 1) for group in places.groups)
    total = places.looked_at.get("train", 0)
    if copies <= MANY_COPIES * total:
        return []
    return [f"{copies:,} of {total:,} training images are copies of others; {MORE}."]


def _constant(places: _Places) -> list[str]:
    count = places.constant.total()
    if not count:
        return []
    return [f"{counted(count, 'image is', 'images are')} of one colour: remove them; {MORE}."]


def _brightness(splits: Mapping[str, Images]) -> list[str]:
    """A notice if nearly all pixels are dark, or nearly all are bright."""
    images = splits.get("train")
    if not images:
        return []
    sample = _sample(images, max(_step(images), len(images) // MAX_DRAWN))
    low, high = np.percentile(sample, (1, 99))
    if high < DARK:
        return [
            f"The training images are nearly black: 99 % of the pixels are at most {high:.0f} of "
            "255. Brighten them, or check how they were converted."
        ]
    if low > BRIGHT:
        return [
            f"The training images are nearly white: 99 % of the pixels are at least {low:.0f} of "
            "255. Darken them, or check how they were converted."
        ]
    return []


def _tiny_classes(splits: Mapping[str, Images]) -> list[str]:
    images = splits.get("train")
    if not images or images.classes < 2:
        return []
    labels = images.labels.long()
    counts = torch.bincount(labels[labels < images.classes], minlength=images.classes).tolist()
    present = [count for count in counts if count]
    limit = fewest_expected(present)
    tiny = [index for index, count in enumerate(counts) if 0 < count < limit]
    if not tiny:
        return []
    names = [_class_name(images, index) for index in tiny[:NAMED]]
    if len(tiny) > NAMED:
        names.append("...")
    return [
        f"{counted(len(tiny), 'class has', 'classes have')} fewer than {FEW_IMAGES} training "
        f"images and far fewer than the others ({', '.join(names)}): add images or merge classes."
    ]


def _class_name(images: Images, index: int) -> str:
    if index < len(images.class_names):
        return images.class_names[index]
    return str(index)
