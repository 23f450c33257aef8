"""Small measures of every image of a listing, from one pass over the images."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...system import machine
from ...system.errors import DataError
from ..readers.item import Item, SplitName

Pixels = NDArray[np.float32]

THUMBNAIL = 16  # pixels on each side of a thumbnail
SIDE = 64  # pixels on the longer side of the copy that brightness and sharpness are measured on
WINDOW = 256  # images that wait for the threads, or have been read, at a time
FLAT = 2  # grey levels: an image that varies by no more has no content
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue
EDGES = 200  # the steepest of so many changes between pixels counts, but at least the third
TAIL = 0.5  # percent of the pixels that may be brighter than `high` and darker than `low`


@dataclass(frozen=True, slots=True)
class Measures:
    """What is kept of an image.

    Attributes:
        name: Name of the item.
        label: Name of its class; None without one.
        split: The split that the data set puts it in; None if it is drawn.
        width: Pixels in a row.
        height: Pixels in a column.
        mode: How the file stores a pixel, such as "RGBA".
        frames: Number of images in the file.
        digest: Hash of size and pixels.
        least: Smallest value of a pixel in any channel, from 0 to 255.
        most: Largest value, likewise.
        low: Value of the darkest channel in the darkest part, from 0 to 255.
        high: Value of the brightest channel in the brightest part, likewise.
        sharpness: Mean second derivative over mean first derivative; it falls as 1 / the width of
            the edges in pixels.
        edge: Steepest change between two pixels, as a part of the range of the image.
        is_empty: All pixels have the same colour.
        thumbnail: RGB, shape `(16, 16, 3)`.
    """

    name: str
    label: str | None
    split: SplitName | None
    width: int
    height: int
    mode: str
    frames: int
    digest: bytes
    least: int
    most: int
    low: float
    high: float
    sharpness: float
    edge: float
    is_empty: bool
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Broken:
    """An image that cannot be read.

    Attributes:
        name: Name of the item.
        reason: Why not, in a sentence.
    """

    name: str
    reason: str


def measure_all(
    items: Sequence[Item], on_progress: Callable[[int], object] = lambda images: None
) -> Iterator[Measures | Broken]:
    """The measures of every item, in their order; a few images are in memory at a time.

    Args:
        items: The images.
        on_progress: Called with the number of images that were read since the last call.
    """
    with ThreadPoolExecutor(machine.physical_cores()) as pool:
        for start in range(0, len(items), WINDOW):
            window = items[start : start + WINDOW]
            for result in pool.map(_measure_item, window):
                yield result
                on_progress(1)


def _measure_item(item: Item) -> Measures | Broken:
    try:
        image = item.read()
        mode = image.mode
        frames = 1
        if item.outline is not None:
            outline = item.outline()
            mode = outline.mode or mode
            frames = outline.frames
    except DataError as error:
        return Broken(item.name, str(error))
    return measure(image, item, mode, frames)


def measure(image: Image.Image, item: Item, mode: str, frames: int) -> Measures:
    """The measures of one image.

    Args:
        image: Upright, of mode "L" or "RGB".
        item: Gives name, label and split.
        mode: How the file stores a pixel.
        frames: Number of images in the file.
    """
    rgb = image.convert("RGB")  # so that a grey copy of mode "RGB" has the same digest
    size = f"{image.width} {image.height} ".encode()
    extrema = np.array(image.getextrema()).reshape(-1, 2)
    small = _shrink(rgb)
    grey = small @ LUMINANCE
    thumbnail = rgb.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return Measures(
        name=item.name,
        label=item.label,
        split=item.split,
        width=image.width,
        height=image.height,
        mode=mode,
        frames=frames,
        digest=hashlib.blake2b(size + rgb.tobytes(), digest_size=16).digest(),
        least=int(extrema.min()),
        most=int(extrema.max()),
        # the channels by themselves: the luminance of pure blue is as low as that of a dark grey
        low=float(np.percentile(small.min(2), TAIL)),
        high=float(np.percentile(small.max(2), 100 - TAIL)),
        sharpness=sharpness(grey),
        edge=steepest_edge(grey),
        is_empty=bool((extrema[:, 1] - extrema[:, 0]).max() <= FLAT),
        thumbnail=np.asarray(thumbnail),
    )


def _shrink(image: Image.Image) -> Pixels:
    """The pixels of an RGB image, reduced to `SIDE` on its longer side, shape `(h, w, 3)`."""
    shrink = max(image.size) / SIDE
    if shrink > 1:
        size = (max(1, round(image.width / shrink)), max(1, round(image.height / shrink)))
        image = image.resize(size, Image.Resampling.BOX)
    return np.asarray(image, np.float32)


def sharpness(grey: Pixels) -> float:
    """Mean second derivative over mean first derivative; 0 for an image without edges.

    Unlike the derivatives alone the ratio does not depend on the contrast, nor on how much of the
    image is flat. One grey level of the second derivative does not count: it is rounding.

    Args:
        grey: Luminance from 0 to 255, shape `(h, w)`.
    """
    first = second = 0.0
    for axis in (0, 1):
        if grey.shape[axis] >= 3:
            slope = np.diff(grey, axis=axis)
            first += float(np.abs(slope).mean())
            bend = np.abs(np.diff(slope, axis=axis))
            second += float(np.maximum(bend - 1, 0).mean())
    return second / max(first, 0.05)


def steepest_edge(grey: Pixels) -> float:
    """A change between two pixels that few exceed, as a part of the range of the image.

    It is about 1 if the image has sharp edges, whatever else is smooth, and falls with blur.

    Args:
        grey: Luminance from 0 to 255, shape `(h, w)`.
    """
    changes = np.abs(np.concatenate([np.diff(grey, axis=axis).ravel() for axis in (0, 1)]))
    if not changes.size:
        return 0.0
    rank = min(max(3, changes.size // EDGES), changes.size)
    span = max(float(grey.max() - grey.min()), 1)
    return float(np.partition(changes, -rank)[-rank]) / span
