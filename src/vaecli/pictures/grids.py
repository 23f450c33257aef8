"""Grids of images. Pixels lie in [0, 1]; a picture is a Pillow image."""

import io
import math

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import pad

from ..system.errors import ConfigError

# File extensions, each with the name of its format in Pillow.
ENDINGS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
}

PADDING = 2  # pixels between images
PADDING_GREY = 96  # differs from black and from white
MAX_SINGLE_ROW = 10  # up to this number, images are in one row
CAPTION_HEIGHT = 16  # pixels
PICTURE_DISTANCE = 8  # pixels between pictures side by side


def grid(x: Tensor, columns: int | None = None) -> Image.Image:
    """Images side by side, row by row, with 2 pixels between them.

    Args:
        x: Shape `(N, C, H, W)`, with one channel (grey) or three (RGB).
        columns: Images per row; by default one row for up to 10 images, else a square grid.
    """
    count, channels = x.shape[:2]
    if columns is None:
        columns = count if count <= MAX_SINGLE_ROW else math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    pixels = x.detach().cpu().clamp(0, 1).mul_(255).round_().to(torch.uint8)
    # Pad every image on the right and below, and fill the last row with empty cells.
    padding = (0, PADDING, 0, PADDING, 0, 0, 0, rows * columns - count)
    cells = pad(pixels, padding, value=PADDING_GREY)
    sheet = cells.unflatten(0, (rows, columns)).permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)
    sheet = sheet[:-PADDING, :-PADDING]  # (height, width, C)
    return Image.fromarray((sheet[..., 0] if channels == 1 else sheet).numpy())


def reconstruction_grid(inputs: Tensor, outputs: Tensor, columns: int = 16) -> Image.Image:
    """A grid in which every row of inputs is above the row of their outputs.

    Args:
        inputs: Shape `(N, C, H, W)`.
        outputs: The same shape.
        columns: Most images per row.
    """
    width = min(columns, len(inputs))
    rows = []
    for above, below in zip(inputs.cpu().split(width), outputs.cpu().split(width), strict=True):
        rows += [_fill_row(above, width), _fill_row(below, width)]
    return grid(torch.cat(rows), columns=width)


def _fill_row(row: Tensor, width: int) -> Tensor:
    """The images followed by black ones, `width` in all."""
    return torch.cat([row, row.new_zeros(width - len(row), *row.shape[1:])])


def side_by_side(pictures: dict[str, Image.Image]) -> Image.Image:
    """Pictures of the same height and mode in one picture, each below its caption."""
    font = ImageFont.load_default()
    first = next(iter(pictures.values()))
    width = sum(picture.width + PICTURE_DISTANCE for picture in pictures.values())
    size = (width - PICTURE_DISTANCE, first.height + CAPTION_HEIGHT)
    sheet = Image.new(first.mode, size, "white")
    left = 0
    for caption, picture in pictures.items():
        ImageDraw.Draw(sheet).text((left + 2, 2), caption, fill="black", font=font)
        sheet.paste(picture, (left, CAPTION_HEIGHT))
        left += picture.width + PICTURE_DISTANCE
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
