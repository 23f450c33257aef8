"""The pixels of many images: in memory, or in the cache if they take more than 1 GiB."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..system import machine
from ..system.errors import DataError
from .cache import cache_key, make_cached, needs_cache, windows_of
from .decoding import decode
from .load_log import LoadLog
from .mapped import MappedPixels
from .preparation import Preparation, decoded_bytes
from .readers.item import Item


class NoneReadableError(DataError):
    """None of several images can be read.

    Args:
        images: Their number and what they are, such as "12 images".
        reason: Why the first of them cannot be read, in a sentence.
    """

    def __init__(self, images: str, reason: str) -> None:
        super().__init__(f"None of {images} can be read. {reason}")
        self.reason = reason


class Pixels(NamedTuple):
    """Decoded images.

    Attributes:
        x: Unsigned bytes, shape `(N, C, H, W)`.
        kept: The positions of the N images among those that were to be decoded.
        mapped: What x is mapped from; None in memory.
    """

    x: Tensor
    kept: list[int]
    mapped: MappedPixels | None = None


def read_pixels(
    items: Sequence[Item], preparation: Preparation, source: str, log: LoadLog, skip_bad: bool
) -> Pixels:
    """The pixels of images, in their order.

    Args:
        items: The images.
        preparation: How they become pixels.
        source: The path that they come from, or several.
        log: Hears of the progress, and why images were left out.
        skip_bad: Whether to leave out images that cannot be read.

    Raises:
        ConfigError: The folder of the cache cannot be written to.
        DataError: An image cannot be read.
        NoneReadableError: None of them can.
        ResourceError: They fit neither in memory nor on the disk.
    """
    if needs_cache(len(items), preparation.shape):
        return _read_cached(items, preparation, source, log, skip_bad)
    size = decoded_bytes(len(items), preparation)
    machine.require_memory(size, f"{len(items):,} images of {preparation.shape}")
    x = torch.empty(len(items), *preparation.shape, dtype=torch.uint8)
    kept: list[int] = []
    for position, image in _decode(items, preparation, log, skip_bad):
        x[len(kept)] = image
        kept.append(position)
    return Pixels(x[: len(kept)], kept)


def _read_cached(
    items: Sequence[Item], preparation: Preparation, source: str, log: LoadLog, skip_bad: bool
) -> Pixels:
    decoding = LoadLog(log.on_progress)
    chosen = astuple(preparation)
    description: dict[str, Any] = {"source": source, "options": chosen, "bad": decoding.bad}
    cached = make_cached(
        key=cache_key(((item.name, item.stamp) for item in items), source, chosen, skip_bad),
        rows=len(items),
        shape=preparation.shape,
        windows=lambda: windows_of(_decode(items, preparation, decoding, skip_bad)),
        description=description,
        on_wait=lambda: log.on_progress("waiting for a process that decodes", 0, len(items)),
    )
    log.caches.append(str(cached.folder))
    size = cached.mapped.pixels.nbytes / 1e9
    log.notices += [
        *cached.notices,
        f"The decoded images ({size:.1f} GB) are in {cached.folder}; vaecli data cache lists and "
        "clears such folders.",
    ]
    log.bad += cached.description["bad"]
    return Pixels(cached.mapped.pixels, cached.kept.tolist(), cached.mapped)


def _decode(
    items: Sequence[Item], preparation: Preparation, log: LoadLog, skip_bad: bool
) -> Iterator[tuple[int, Tensor]]:
    """As `decode`; raises a `NoneReadableError` at the end if no image could be read."""
    is_empty = True
    known = len(log.bad)  # of images that were read before
    for found in decode(items, preparation, log, skip_bad):
        is_empty = False
        yield found
    if is_empty:
        raise NoneReadableError(f"{len(items):,} images", log.bad[known])
