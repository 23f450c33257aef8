"""`Preparation`: from images of any size and mode to pixels of one shape."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..config.config import Config
from ..config.image_sizes import parse_image_size
from ..system import machine
from .readers.item import BadImageError, Outline

LARGEST_OWN_SIZE = 64  # pixels: larger images are resized to this, unless the user chooses
LARGEST_ASPECT = 20  # of more, cropping leaves nothing that one could recognize
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Preparation:
    """How images become pixels of one shape.

    Attributes:
        height: Pixels in a column.
        width: Pixels in a row.
        channels: 1 for grey, 3 for colour.
        resize: For an image of another aspect: "crop" its middle, "pad" it with white, or
            "stretch" it.
    """

    height: int
    width: int
    channels: int
    resize: Literal["crop", "pad", "stretch"] = "crop"

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the pixels, `(C, H, W)`."""
        return self.channels, self.height, self.width

    def apply(self, image: Image.Image, name: str) -> Tensor:
        """The pixels of an image as unsigned bytes, shape `(C, H, W)`.

        Args:
            image: Upright, of mode "L" or "RGB".
            name: What messages call it.

        Raises:
            BadImageError: It is more than `LARGEST_ASPECT` times as long as wide.
        """
        image = image.convert("L" if self.channels == 1 else "RGB")
        if image.size != (self.width, self.height):
            image = self._resized(image, name)
        pixels = torch.from_numpy(np.array(image))
        return pixels.view(self.height, self.width, self.channels).permute(2, 0, 1)

    def _resized(self, image: Image.Image, name: str) -> Image.Image:
        longer, shorter = max(image.size), min(image.size)
        if longer > LARGEST_ASPECT * shorter:
            raise BadImageError(
                f"{name} has {image.width}x{image.height} pixels: its sides differ by more than "
                f"{LARGEST_ASPECT} to 1."
            )
        size = (self.width, self.height)
        method = Image.Resampling.LANCZOS
        if self.resize == "crop":
            return ImageOps.fit(image, size, method)
        if self.resize == "pad":
            return ImageOps.pad(image, size, method, color=WHITE[: len(image.getbands())])
        return image.resize(size, method, reducing_gap=3.0)


def is_chosen(config: Config) -> bool:
    """Whether the options alone give size and channels."""
    return config.image_size is not None and config.channels != "auto"


def choose_preparation(config: Config, outlines: Iterable[Outline] = ()) -> Preparation:
    """The preparation that the options ask for, completed from the images themselves.

    Args:
        config: Without `image_size`, images that have all the same size of at most 64 pixels keep
            it, and others become 64x64. With `channels` "auto", one image with colour gives 3.
        outlines: Those of the images; none are needed if the options say all.
    """
    sizes: set[tuple[int, int]] = set()
    has_colour = False
    for outline in outlines:
        sizes.add((outline.height, outline.width))
        has_colour = has_colour or outline.channels == 3
    if config.image_size is not None:
        height, width = parse_image_size(config.image_size)
    elif len(sizes) == 1 and max(size := next(iter(sizes))) <= LARGEST_OWN_SIZE:
        height, width = size
    else:
        height = width = LARGEST_OWN_SIZE
    channels = (3 if has_colour else 1) if config.channels == "auto" else int(config.channels)
    return Preparation(height, width, channels, config.resize)


def prepare_pixels(pixels: Tensor, config: Config) -> Tensor:
    """Images of one shape, such as those of a data set, as the options ask for.

    Args:
        pixels: Unsigned bytes, shape `(N, C, H, W)`; they keep their size and channels where the
            options do not choose.
        config: Its `image_size`, `channels` and `resize`.

    Raises:
        ResourceError: They would not fit in memory.
    """
    count, channels, height, width = pixels.shape
    own = Outline(width, height, 3 if channels == 3 else 1)
    chosen = choose_preparation(config, [own])
    if config.image_size is None:
        chosen = replace(chosen, height=height, width=width)
    if chosen.shape == (channels, height, width):
        return pixels
    size = decoded_bytes(count, chosen)
    machine.require_memory(size, f"{count:,} images of {chosen.shape}")
    prepared = torch.empty(count, *chosen.shape, dtype=torch.uint8)
    for number, image in enumerate(pixels):
        array = image.squeeze(0).numpy() if channels == 1 else image.permute(1, 2, 0).numpy()
        prepared[number] = chosen.apply(Image.fromarray(array), f"image {number}")
    return prepared


def decoded_bytes(count: int, preparation: Preparation) -> int:
    """Memory of the pixels of so many prepared images."""
    return count * math.prod(preparation.shape)
