"""`Item`: one image of the user that is not read yet; `Listing`: all of them in a data set."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from PIL import Image

from ...system.errors import DataError

SplitName = Literal["train", "validation", "test"]


class BadImageError(DataError):
    """An image that cannot be read as it should be; the message names it. --skip-bad leaves it out.

    An image that changed or vanished after the listing raises `DataError` itself: it ends training
    in any case.
    """


class Outline(NamedTuple):
    """What the head of an image file says, without its pixels.

    Attributes:
        width: Pixels in a row, once the image is upright.
        height: Pixels in a column, likewise.
        channels: 1 for grey, 3 for colour.
        mode: How the file stores a pixel, such as "RGBA" or "I;16".
        frames: Number of images in the file, of which the first is read; 2 may stand for more,
            where all of the file had to be read to count them.
    """

    width: int
    height: int
    channels: Literal[1, 3]
    mode: str = ""
    frames: int = 1


@dataclass(frozen=True, slots=True)
class Item:
    """One image, not read yet.

    Attributes:
        name: What messages call it, such as "cats/1.png"; no other item of the listing has it. The
            split of an image follows from its name, so that it stays the same from run to run.
        read: Returns the image, upright, of mode "L" or "RGB". Raises `BadImageError` if it is
            damaged, and `DataError` if it changed or vanished after the listing.
        label: Name of its class; None without one.
        split: The split that the data set puts it in; None if none, then it is drawn.
        stamp: Changes whenever the content may have changed, such as size and time of the file.
        outline: Returns its size and channels faster than `read` does, and raises as it does; None
            if nothing is faster.
    """

    name: str
    read: Callable[[], Image.Image]
    label: str | None = None
    split: SplitName | None = None
    stamp: str = ""
    outline: Callable[[], Outline] | None = None


@dataclass(frozen=True)
class Listing:
    """The images of a data set.

    Attributes:
        items: In a fixed order, such as that of their names.
        skipped: How many entries are no images of the data set, by the reason, such as "hidden".
        notices: What the user should know about the data set.
    """

    items: Sequence[Item]
    skipped: Counter[str] = field(default_factory=Counter)
    notices: Sequence[str] = ()
