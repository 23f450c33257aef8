"""Images of every mode of Pillow to mode "L" or "RGB", 8 bits, with the right values.

Pillow itself cuts 16-bit values at 255 when it converts them, and drops alpha.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from .heads import UnreadableError

Values = NDArray[Any]
Pixels = NDArray[np.uint8]
BLOCK = 1 << 18  # values converted together
GREY = {"1", "L", "LA", "La", "I", "F"}
WIDE = ("I", "F")  # and those that begin with "I;16"
STRAIGHT_ALPHA = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}
GREY_STEPS = {"L;2": 85, "L;4": 17}
FULL_16 = 65535
FULL_12 = 4095
SAVE_AGAIN = "save it with 8 or 16 bits"


def channels(image: Image.Image) -> Literal[1, 3]:
    """1 if `flatten` makes it "L", 3 if "RGB"; a palette of greys is grey."""
    if image.mode == "P":
        palette = image.getpalette("RGB") or []
        if palette[::3] == palette[1::3] == palette[2::3]:
            return 1
    if image.mode in GREY or image.mode.startswith("I;16"):
        return 1
    return 3


def stored_size(image: TiffImagePlugin.TiffImageFile) -> tuple[int, int]:
    """Width and height as stored; Pillow's own are upright in some of its versions."""
    tags = image.tag_v2
    return int(tags[TiffImagePlugin.IMAGEWIDTH]), int(tags[TiffImagePlugin.IMAGELENGTH])


def prepare(image: Image.Image) -> None:
    """Check and correct what Pillow no longer knows after it has read the pixels.

    Raises:
        UnreadableError: Rows or columns of a TIFF file are missing, which Pillow leaves black.
    """
    key = image.info.get("transparency")
    tile = getattr(image, "tile", None)
    if tile and isinstance(image, TiffImagePlugin.TiffImageFile):
        width, height = stored_size(image)
        if max(t[1][2] for t in tile) < width or max(t[1][3] for t in tile) < height:
            raise UnreadableError("is damaged: rows or columns are missing")
    if image.mode == "RGB" and isinstance(key, tuple) and tile and "16" in str(tile[0][3]):
        # of 16 bits Pillow keeps the high bytes of the pixels, but all of the transparent colour
        image.info["transparency"] = tuple(value >> 8 for value in key)
    if image.mode == "L" and isinstance(key, int) and tile:
        # likewise it scales pixels of 2 and 4 bits, but not the transparent one
        image.info["transparency"] = key * GREY_STEPS.get(str(tile[0][3]), 1)


def flatten(image: Image.Image) -> Image.Image:
    """The image over white, as "L" or "RGB".

    Raises:
        UnreadableError: Its values have no known range.
    """
    if image.mode in WIDE or image.mode.startswith("I;16"):
        return _narrow(image)
    mode: Literal["L", "RGB"] = "L" if channels(image) == 1 else "RGB"
    if image.has_transparency_data:
        return _over_white(image).convert(mode)
    return image if image.mode == mode else image.convert(mode)


def _over_white(image: Image.Image) -> Image.Image:
    """Without alpha, of mode "L" or "RGB"."""
    straight = STRAIGHT_ALPHA.get(image.mode)
    if straight:
        image = image.convert(straight)
    elif image.mode not in ("LA", "RGBA"):
        image = image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    plain = image.mode.removesuffix("A")
    white = Image.new(plain, image.size, "white")
    white.paste(image.convert(plain), mask=image.getchannel("A"))
    return white


def _narrow(image: Image.Image) -> Image.Image:
    """The 8 bits of an image with more than 8 in a pixel."""
    values = np.asarray(image)
    tags: Any = {}
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = image.tag_v2
    if image.mode == "F":
        pixels = _from_floats(values)
    elif image.mode == "I" and image.format != "PNG" and image.format != "PPM":
        pixels = _from_integers(values)
    else:
        bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,))
        pixels = scale(values, FULL_12 if bits == (12,) else FULL_16)
    if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:  # 0 is white
        pixels = 255 - pixels
    key = image.info.get("transparency")
    if isinstance(key, int):
        pixels = np.where(values == key, np.uint8(255), pixels)
    return Image.fromarray(pixels)


def scale(values: Values, full: int) -> Pixels:
    """Integers from 0 to `full` as 0 to 255, rounded.

    Raises:
        UnreadableError: A value is outside.
    """
    if values.min() < 0 or values.max() > full:
        raise UnreadableError(f"has values from {values.min()} to {values.max()}: {SAVE_AGAIN}")
    return _by_rows(values, lambda rows: (rows.astype(np.uint32) * 255 + full // 2) // full)


def _by_rows(values: Values, convert: Callable[[Values], Values]) -> Pixels:
    """What `convert` makes of the values, a few rows at a time to save memory."""
    pixels = np.empty(values.shape, np.uint8)
    count = max(1, BLOCK // values[0].size)
    for start in range(0, len(values), count):
        rows = slice(start, start + count)
        pixels[rows] = convert(values[rows])
    return pixels


def _from_integers(values: Values) -> Pixels:
    """32-bit integers say nothing about their range: only 0 to 255 is certain."""
    if values.min() < 0 or values.max() > 255:
        raise UnreadableError(
            f"has 32-bit or signed values from {values.min()} to {values.max()}, "
            f"whose range is unknown: {SAVE_AGAIN}"
        )
    return values.astype(np.uint8)


def _from_floats(values: Values) -> Pixels:
    """Floats from 0 to 1; if one is larger, from 0 to 255."""
    least = values.min()
    most = values.max()
    if not (least >= 0 and most <= 255):  # so that NaN is refused
        raise UnreadableError(
            f"has floating-point values from {least:g} to {most:g}, "
            f"where 0 to 1 or 0 to 255 is read: {SAVE_AGAIN}"
        )
    full = 255.0
    if most > 1:
        full = 1.0
    return _by_rows(values, lambda rows: np.rint(rows * full))
