"""`PixelArray`: an array of images, whatever its shape, type and range, as images of 8 bits."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...system.errors import DataError
from . import modes
from .heads import MAX_PIXELS
from .item import Outline

Pixels = NDArray[np.uint8]
CHUNK_BYTES = 1 << 24  # looked at together
COLOURS = (1, 3, 4)  # grey, RGB, RGBA
SHAPES = "(N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1, 3 or 4"


class PixelArray:
    """Images in an array.

    Of `(N, C, H, W)` and `(N, H, W, C)` the latter is taken where both are possible. Unsigned
    bytes, and other integers from 0 to 255, stay as they are; unsigned 16-bit integers are scaled
    from 65535, if one is over 255; floats are scaled from 1, if none is larger.

    Args:
        array: The array.
        what: What messages call it.

    Attributes:
        notices: What the user should know about the values.
        outline: Size and channels of every image.

    Raises:
        DataError: Its shape, type or values are none of these.
    """

    def __init__(self, array: NDArray[Any], what: str) -> None:
        self._array = _channels_last(array, what)
        self.notices: list[str] = []
        self._convert = self._converter(what)
        height, width = self._array.shape[1:3]
        channels: Literal[1, 3] = 1 if self._array.shape[3] == 1 else 3
        self.outline = Outline(width, height, channels, array.dtype.name)

    def __len__(self) -> int:
        return len(self._array)

    def image(self, index: int) -> Image.Image:
        """One image, of mode "L" or "RGB"; alpha lies over white."""
        pixels = self._convert(self._array[index])
        if pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        return modes.flatten(Image.fromarray(np.ascontiguousarray(pixels)))

    def _converter(self, what: str) -> Callable[[NDArray[Any]], Pixels]:
        """What makes unsigned bytes of pixels of this type and range."""
        dtype = self._array.dtype
        if dtype.kind == "b":
            return _from_booleans
        if dtype.kind not in "iuf":
            raise DataError(f"{what} has values of type {dtype}, where numbers are expected.")
        is_16_bits = dtype.kind == "u" and dtype.itemsize == 2
        enough = np.inf  # values above tell nothing more
        if dtype == np.uint8:
            enough = 1
        elif is_16_bits:
            enough = 255
        least, most = _range(self._array, enough)
        if dtype.kind == "f" and least >= 0 and most <= 1:
            return _from_fractions
        if is_16_bits and most > 255:
            return _from_16_bits
        if -1 <= least < 0 and most <= 1:
            raise DataError(
                f"{what} has values from {least:g} to {most:g}, where 0 to 1 or 0 to 255 is "
                "expected: store (x + 1) / 2 if they are from -1 to 1."
            )
        if not (least >= 0 and most <= 255):  # so that NaN is refused
            raise DataError(
                f"{what} has values from {least:g} to {most:g} of type {dtype.name}, where 0 to "
                "255 is expected, in floats also 0 to 1, in uint16 also 0 to 65535."
            )
        if most <= 1:
            self.notices.append(
                f"No value in {what} is over {most:g} of 255: all images are almost black. "
                "Multiply them by 255 if 1 is white."
            )
        return _from_floats if dtype.kind == "f" else _from_integers


def _channels_last(array: NDArray[Any], what: str) -> NDArray[Any]:
    """The same array with shape `(N, H, W, C)`."""
    shape = array.shape
    found = f"{what} has shape {_spell(shape)}"
    if len(shape) == 3:
        array = array[..., np.newaxis]
    elif len(shape) == 4 and shape[3] not in COLOURS and shape[1] in COLOURS:
        array = array.transpose(0, 2, 3, 1)
    elif len(shape) != 4 or shape[3] not in COLOURS:
        raise DataError(f"{found}, where {SHAPES} is expected: reshape it.")
    if not array.size:
        raise DataError(f"{found}: it is empty.")
    if array.shape[1] * array.shape[2] > MAX_PIXELS:
        raise DataError(f"{found}: at most {MAX_PIXELS // 1_000_000} million pixels are read.")
    return array


def _spell(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _range(array: NDArray[Any], enough: float) -> tuple[float, float]:
    """The least and the largest value, NaN if one is; the search ends above `enough`."""
    least, most = np.inf, -np.inf
    for part in _parts(array):
        least = np.minimum(least, part.min())  # unlike min(), keeps NaN
        most = np.maximum(most, part.max())
        if not most <= enough:
            break
    return float(least), float(most)


def _parts(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The array in pieces of `CHUNK_BYTES`."""
    count = max(1, CHUNK_BYTES * len(array) // array.nbytes)
    for start in range(0, len(array), count):
        yield array[start : start + count]


def _from_booleans(pixels: NDArray[Any]) -> Pixels:
    return np.where(pixels, np.uint8(255), np.uint8(0))


def _from_integers(pixels: NDArray[Any]) -> Pixels:
    return pixels.astype(np.uint8)


def _from_floats(pixels: NDArray[Any]) -> Pixels:
    return np.rint(pixels.astype(np.float32)).astype(np.uint8)


def _from_fractions(pixels: NDArray[Any]) -> Pixels:
    return np.rint(pixels.astype(np.float32) * 255).astype(np.uint8)


def _from_16_bits(pixels: NDArray[Any]) -> Pixels:
    return modes.scale(pixels, modes.FULL_16)
