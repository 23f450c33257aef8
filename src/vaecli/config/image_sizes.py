"""Sizes of images as text: "64" is a square, "48x32" is 48 wide and 32 high."""

import re

from ..system.errors import ConfigError

LARGEST = 4096


def parse_image_size(text: str) -> tuple[int, int]:
    """Height and width in pixels.

    Raises:
        ConfigError: The text is no size, or the size is not from 1 to `LARGEST`.
    """
    match = re.fullmatch(r"([0-9]{1,9})(?:x([0-9]{1,9}))?", text)
    if match is None:
        raise ConfigError(f"image_size={text!r}: write 64, or 48x32 for width and height.")
    width = int(match[1])
    height = width if match[2] is None else int(match[2])
    if not (1 <= height <= LARGEST and 1 <= width <= LARGEST):
        raise ConfigError(f"image_size={text!r}: must be from 1 to {LARGEST}.")
    return height, width


def format_image_size(height: int, width: int) -> str:
    """The text of a size, which `parse_image_size` reads."""
    return str(width) if height == width else f"{width}x{height}"
