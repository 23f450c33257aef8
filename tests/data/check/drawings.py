"""Generated images, and data sets of them in memory."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from vaecli.data.readers.item import BadImageError, Item, Listing


def drawing(seed: int, size: int = 40) -> Image.Image:
    """Rectangles, ellipses and lines of random soft colours and places."""
    random = np.random.default_rng(seed)

    def colour() -> tuple[int, ...]:
        return tuple((random.integers(20, 200) + random.integers(0, 40, 3)).tolist())

    image = Image.new("RGB", (size, size), colour())
    draw = ImageDraw.Draw(image)
    for shape in (draw.rectangle, draw.ellipse, draw.rectangle, draw.ellipse, draw.line):
        x, y = np.sort(random.integers(0, size, (2, 2)), axis=1).tolist()
        shape((x[0], y[0], x[1] + 2, y[1] + 2), fill=colour())
    return image


def item(name: str, image: Image.Image | None) -> Item:
    """An item SPLIT/LABEL/FILE, LABEL/FILE or FILE; it is broken if there is no image."""

    def read() -> Image.Image:
        if image is None:
            raise BadImageError(f"{name} is damaged.")
        return image

    *folders, _ = name.split("/")
    label = folders.pop() if folders else None
    return Item(name, read, label, folders[0] if folders else None)


def listing(images: Mapping[str, Image.Image | None]) -> Listing:
    return Listing([item(name, image) for name, image in images.items()])


def good(count: int, pattern: str = "a/{}.png") -> dict[str, Image.Image | None]:
    return {pattern.format(seed): drawing(seed) for seed in range(count)}
