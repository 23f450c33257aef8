"""Grids of images. Pixels lie in [0, 1]; a picture is a Pillow image."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import pad

from ..system.errors import ConfigError
from .themes import LIGHT, Theme

# File extensions, each with the name of its format in Pillow.
ENDINGS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
}

PADDING = 2  # pixels between images
MAX_SINGLE_ROW = 10  # up to this number, images are in one row
MIN_SIDE = 480  # pixels on the longer side of a picture that is enlarged by itself
MAX_PIXELS = 100_000_000  # in a grid: 300 MB in colour
MIN_FONT = 15  # pixels, at least; higher in wider pictures, which are shown reduced
WIDTH_PER_FONT = 34  # pixels of width for each pixel of the height of the font


def grid(x: Tensor, columns: int | None = None, theme: Theme = LIGHT) -> Image.Image:
    """Images side by side, row by row, with 2 pixels between them.

    Args:
        x: Shape `(N, C, H, W)`, with one channel (grey) or three (RGB).
        columns: Images per row; by default one row for up to 10 images, else a square grid.
        theme: Has the grey between the images.
    """
    count, channels = x.shape[:2]
    if columns is None:
        columns = count if count <= MAX_SINGLE_ROW else math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    pixels = x.detach().cpu().clamp(0, 1).mul_(255).round_().to(torch.uint8)
    # Pad every image on the right and below, and fill the last row with empty cells.
    padding = (0, PADDING, 0, PADDING, 0, 0, 0, rows * columns - count)
    cells = pad(pixels, padding, value=theme.gap)
    sheet = cells.unflatten(0, (rows, columns)).permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)
    sheet = sheet[:-PADDING, :-PADDING]  # (height, width, C)
    return Image.fromarray((sheet[..., 0] if channels == 1 else sheet).numpy())


def check_size(count: int, shape: Sequence[int], scale: int | None) -> None:
    """Check, before the images are made, that their grid has at most `MAX_PIXELS` pixels.

    Args:
        count: Number of images.
        shape: Shape of an image, `(C, H, W)`.
        scale: As in `enlarge`; an automatic factor above 1 always gives a small picture.

    Raises:
        ConfigError: It would have more.
    """
    height, width = shape[1:]
    raw_pixels = count * (height + PADDING) * (width + PADDING)
    if raw_pixels * (scale or 1) ** 2 <= MAX_PIXELS:
        return
    most = math.isqrt(MAX_PIXELS // raw_pixels)
    images = f"a grid of {count:,} images of {width} x {height} pixels"
    bound = f"has more than the {MAX_PIXELS // 10**6} million pixels that a picture may have"
    if most == 0:
        raise ConfigError(f"{images.capitalize()} {bound}: use fewer images.")
    advice = "or fewer images" if most == 1 else "or less"
    raise ConfigError(f"scale={scale}: {images} {bound}: use scale={most} {advice}.")


def enlarge(picture: Image.Image, scale: int | None = None) -> Image.Image:
    """The picture with every pixel repeated `scale` times in both directions.

    Args:
        picture: The picture.
        scale: By default the smallest factor that gives the longer side `MIN_SIDE` pixels.
    """
    factor = scale or _automatic_scale(*picture.size)
    size = (picture.width * factor, picture.height * factor)
    return picture.resize(size, Image.Resampling.NEAREST)


def _automatic_scale(width: int, height: int) -> int:
    return math.ceil(MIN_SIDE / max(width, height))


def reconstruction_grid(
    inputs: Tensor,
    outputs: Tensor,
    scale: int | None = None,
    theme: Theme = LIGHT,
    columns: int = 16,
) -> Image.Image:
    """A grid in which every row of inputs is above the row of their outputs.

    In a margin on the left each row is labelled; with `scale=1` there are the raw pixels only.

    Args:
        inputs: Shape `(N, C, H, W)`.
        outputs: The same shape.
        scale: As in `enlarge`.
        theme: Colours of the margin and of the gaps.
        columns: Most images per row.
    """
    width = min(columns, len(inputs))
    rows = []
    for above, below in zip(inputs.cpu().split(width), outputs.cpu().split(width), strict=True):
        rows += [_fill_row(above, width), _fill_row(below, width)]
    picture = enlarge(grid(torch.cat(rows), width, theme), scale)
    if scale == 1:
        return picture
    return label_rows(picture, ["input", "reconstruction"] * (len(rows) // 2), theme)


def _fill_row(row: Tensor, width: int) -> Tensor:
    """The images followed by black ones, `width` in all."""
    return torch.cat([row, row.new_zeros(width - len(row), *row.shape[1:])])


def label_rows(
    picture: Image.Image,
    labels: Sequence[str],
    theme: Theme = LIGHT,
    files: Sequence[Path | None] | None = None,
) -> Image.Image:
    """The picture with a margin on the left, in which a label stands beside each of its rows.

    Args:
        picture: All its rows are equally high.
        labels: One for each row.
        theme: Colours of the margin.
        files: That of the font of each label; None is the usual one.
    """
    pitch = picture.height / len(labels)
    fonts = [_font(picture.width, pitch, file) for file in files or [None] * len(labels)]
    distance = round(fonts[0].size / 2)
    lengths = [font.getlength(label) for font, label in zip(fonts, labels, strict=True)]
    margin = math.ceil(max(lengths)) + 2 * distance
    sheet = Image.new(picture.mode, (margin + picture.width, picture.height), theme.background)
    sheet.paste(picture, (margin, 0))
    draw = ImageDraw.Draw(sheet)
    for row, (label, font) in enumerate(zip(labels, fonts, strict=True)):
        place = (margin - distance, (row + 0.5) * pitch)
        draw.text(place, label, fill=theme.foreground, font=font, anchor="rm")
    return sheet


def _font(width: int, most: float, file: Path | None = None) -> ImageFont.FreeTypeFont:
    """The font for a picture of this width, in pixels, at most `most` pixels high."""
    size = min(max(MIN_FONT, width / WIDTH_PER_FONT), most)
    return default_font(size) if file is None else ImageFont.truetype(file, size)


def default_font(size: float) -> ImageFont.FreeTypeFont:
    """The font of all grids, `size` pixels high."""
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))


def side_by_side(pictures: Mapping[str, Image.Image], theme: Theme = LIGHT) -> Image.Image:
    """Pictures of the same mode in one, each below its caption, all enlarged by the same factor."""
    widest = max(picture.width for picture in pictures.values())
    highest = max(picture.height for picture in pictures.values())
    scale = _automatic_scale(widest, highest)
    enlarged = {caption: enlarge(picture, scale) for caption, picture in pictures.items()}
    total = sum(picture.width for picture in enlarged.values())
    font = _font(total, most=total)
    distance = round(font.size)  # between pictures
    top = round(1.5 * font.size)
    size = (total + distance * (len(pictures) - 1), highest * scale + top)
    sheet = Image.new(next(iter(pictures.values())).mode, size, theme.background)
    draw = ImageDraw.Draw(sheet)
    left = 0
    for caption, picture in enlarged.items():
        draw.text((left, top / 2), caption, fill=theme.foreground, font=font, anchor="lm")
        sheet.paste(picture, (left, top))
        left += picture.width + distance
    return sheet


def encode_image(picture: Image.Image, ending: str = ".png") -> bytes:
    """The content of an image file with one of the `ENDINGS`.

    Raises:
        ConfigError: The picture is too large for this format.
    """
    buffer = io.BytesIO()
    try:
        picture.save(buffer, format=ENDINGS[ending])
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"A picture of {picture.width} x {picture.height} pixels is too large for {ending}: "
            "use .png."
        ) from error
    return buffer.getvalue()
