"""Reads many images at once, in threads: Pillow decodes without Python's global lock."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from torch import Tensor

from ..system.machine import physical_cores
from .load_log import LoadLog
from .preparation import Preparation
from .readers.item import BadImageError, Item, Outline

T = TypeVar("T")

WINDOW = 256  # images in work at a time; after an error, those not begun are left alone
REPORTED = 16  # images after which progress is reported, which can stop the reading


def decode(
    items: Sequence[Item], preparation: Preparation, log: LoadLog, skip_bad: bool = False
) -> Iterator[tuple[int, Tensor]]:
    """The pixels of the images in their order, each after its position among `items`.

    Args:
        items: The images.
        preparation: Makes pixels of one shape of them.
        log: Hears of the progress, and why images were left out.
        skip_bad: Whether to leave out images that cannot be read.

    Raises:
        BadImageError: An image cannot be read, and `skip_bad` is false.
        DataError: An image changed or vanished since it was listed.
    """

    def pixels(item: Item) -> Tensor:
        return preparation.apply(item.read(), item.name)

    yield from _read_all(items, pixels, "decoding", log, skip_bad)


def read_outlines(items: Sequence[Item], log: LoadLog, skip_bad: bool = False) -> Iterator[Outline]:
    """The outlines of the images in their order; as `decode` otherwise."""
    for _, outline in _read_all(items, _outline, "reading sizes", log, skip_bad):
        yield outline


def _outline(item: Item) -> Outline:
    if item.outline is not None:
        return item.outline()
    image = item.read()
    return Outline(image.width, image.height, 1 if image.mode == "L" else 3)


def _read_all(
    items: Sequence[Item], read: Callable[[Item], T], what: str, log: LoadLog, skip_bad: bool
) -> Iterator[tuple[int, T]]:
    with ThreadPoolExecutor(physical_cores()) as pool:
        for start in range(0, len(items), WINDOW):
            window = items[start : start + WINDOW]
            futures = [pool.submit(read, item) for item in window]
            try:
                for position, future in enumerate(futures, start):
                    found = _result(future, log, skip_bad)
                    if found is not None:
                        yield position, found
                    if position % REPORTED == REPORTED - 1:
                        log.on_progress(what, position + 1, len(items))
            finally:
                for future in futures:
                    future.cancel()
            log.on_progress(what, start + len(window), len(items))


def _result(future: Future[T], log: LoadLog, skip_bad: bool) -> T | None:
    try:
        return future.result()
    except BadImageError as error:
        if not skip_bad:
            raise BadImageError(
                f"{error} Mend or remove it, or leave it out: skip_bad=True."
            ) from error
        log.bad.append(str(error))
        return None
