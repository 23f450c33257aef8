"""Image files to upright images of mode "L" or "RGB", 8 bits; damaged ones to `BadImageError`.

The content of a file decides its format, whatever its name ends with; only TGA has no signature,
and is tried where the name ends with `.tga`. Programs and scripts (EPS, PDF, SVG) are never read.
"""

import ctypes
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO

from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from ...system.errors import VaecliError
from ...system.text import escape_controls
from . import heads, modes
from .item import BadImageError, Outline

FORMATS = (
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    "WEBP",
    "TIFF",
    "PPM",
    "ICO",
    "JPEG2000",
    "QOI",
    "AVIF",
)
TGA_SUFFIX = ".tga"
UPRIGHT = {  # orientation of EXIF: what brings the first row to the top and the first column left
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LYING = (5, 6, 7, 8)  # orientations that swap width and height

# Pillow warns of metadata that it repairs, which says nothing about pixels. A filter per image
# would not be safe with threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Python prints its errors


def read_image(file: IO[bytes], name: str) -> Image.Image:
    """The first image of a file, upright, of mode "L" or "RGB".

    Alpha lies over white, and 16 bits are scaled to 8. Colour profiles (ICC) are ignored: the
    pixels are those that the file stores, as in most data sets and their readers.

    Args:
        file: The open file.
        name: What messages call it; a name that ends with `.tga` may also be a TGA file.

    Raises:
        BadImageError: It is damaged, too large, or of no format that is read.
    """
    with _as_bad_image(name), _open(file, name) as image:
        modes.prepare(image)
        image.load()
        flat = modes.flatten(image)
        method = UPRIGHT.get(_orientation(image))
        return flat if method is None else flat.transpose(method)


def read_outline(file: IO[bytes], name: str) -> Outline:
    """What the head of an image file says, without its pixels.

    The orientation of a PNG file is seen only where it precedes the pixels, as it should.

    Args:
        file: The open file.
        name: What messages call it.

    Raises:
        BadImageError: It is damaged, too large, or of no format that is read.
    """
    with _as_bad_image(name), _open(file, name) as image:
        width, height = image.size
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            width, height = modes.stored_size(image)
        if _stored_orientation(image) in LYING:
            return Outline(height, width, modes.channels(image), image.mode, _count_frames(image))
        return Outline(width, height, modes.channels(image), image.mode, _count_frames(image))


def _open(file: IO[bytes], name: str) -> Image.Image:
    """The image with its head read; a size over the limit is refused before pixels are unpacked."""
    size = heads.check_before_open(file)
    formats = _formats()
    if name.lower().endswith(TGA_SUFFIX):
        formats = (*formats, "TGA")
    image = Image.open(file, formats=formats)
    heads.require_size(*image.size, size)
    tile = getattr(image, "tile", None)
    if tile and tile[0][0] == "bmp_rle":
        heads.require_size(*image.size, size, heads.MAX_RUN_PIXELS)
    return image


def _quiet_libtiff() -> None:
    """Keep libtiff from writing to stderr what is wrong with a file: an exception says it too.

    Pillow has no option for this. Where libtiff is not found, as on Windows, only its words remain.
    """
    folder = Path(Image.__file__).parent
    paths = {
        *folder.parent.glob("pillow.libs/libtiff*"),
        *folder.glob(".dylibs/libtiff*"),
    }
    maps = Path("/proc/self/maps")
    if maps.exists():
        words = maps.read_text(errors="replace").split()
        paths |= {Path(word) for word in words if "/libtiff" in word}
    for path in paths:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(str(path)).TIFFSetErrorHandler(None)


@cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow has."""
    Image.init()
    _quiet_libtiff()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextmanager
def _as_bad_image(name: str) -> Iterator[None]:
    """Turn whatever goes wrong with a damaged file into `BadImageError`."""
    try:
        yield
    except heads.UnreadableError as error:
        raise BadImageError(f"{name} {error}.") from error
    except VaecliError:
        raise
    except UnidentifiedImageError as error:
        raise BadImageError(
            f"{name} is damaged, or is no image of a format that is read."
        ) from error
    except Image.DecompressionBombError as error:  # from twice Pillow's own limit on
        raise BadImageError(
            f"{name} is too large: it has over {heads.MAX_PIXELS // 1_000_000} million pixels."
        ) from error
    except MemoryError as error:
        raise BadImageError(f"{name} needs more memory than there is.") from error
    except Exception as error:  # of about twenty kinds, by what is damaged
        reason = escape_controls(" ".join(str(error).split()))[:100] or type(error).__name__
        raise BadImageError(f"{name} is damaged: {reason.rstrip('.')}.") from error


def _stored_orientation(image: Image.Image) -> int:
    """The orientation before the pixels are read; 1 is upright."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would read all pixels to search behind them
    return _orientation(image)


def _orientation(image: Image.Image) -> int:
    """The orientation by EXIF or XMP; 1, upright, where they are missing or damaged."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the pixels are sound even where the notes on them are not
        return 1


def _count_frames(image: Image.Image) -> int:
    """Number of images in the file; 2 where more could be counted only by reading all of it."""
    if image.format in ("GIF", "TIFF"):
        return 1 + bool(getattr(image, "is_animated", False))
    if image.format == "MPO":
        return 1  # a photograph with its preview or depth
    return int(getattr(image, "n_frames", 1))
