"""Tensors to grids to pictures. Pixels lie in [0, 1]; a picture is a Pillow image."""

import io
import math

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import pad

from ..system.errors import ConfigError

ENDINGS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}


GAP = 2  # pixels between images


GREY = 96  # of the gaps: told from black and from white


ONE_ROW = 10  # images that still make one row


def grid(x: Tensor, columns: int | None = None) -> Image.Image:
    """Images, shape `(N, C, H, W)`, side by side, row by row, with gaps of 2 pixels.

    Args:
        x: One channel (grey) or three (RGB).
        columns: By default N for up to 10 images, else the root of N, rounded up.
    """
    count, channels = x.shape[:2]
    columns = columns or (count if count <= ONE_ROW else math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    pixels = x.detach().cpu().clamp(0, 1).mul(255).round().to(torch.uint8)
    # Grey on the right of each image and below it, and in the cells behind the last one.
    cells = pad(pixels, (0, GAP, 0, GAP, 0, 0, 0, rows * columns - count), value=GREY)
    sheet = cells.unflatten(0, (rows, columns)).permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)
    sheet = sheet[:-GAP, :-GAP]
    return Image.fromarray((sheet[..., 0] if channels == 1 else sheet).numpy())


def pairs(inputs: Tensor, outputs: Tensor, columns: int = 16) -> Image.Image:
    """Rows of inputs, and under each its row of outputs; both of shape `(N, C, H, W)`."""
    rows = zip(inputs.cpu().split(columns), outputs.cpu().split(columns), strict=True)
    padded = [_pad(row, min(columns, len(inputs))) for pair in rows for row in pair]
    return grid(torch.cat(padded), columns=min(columns, len(inputs)))


def _pad(row: Tensor, columns: int) -> Tensor:
    """The row with black images at its end, up to `columns`."""
    return torch.cat([row, row.new_zeros(columns - len(row), *row.shape[1:])])


def beside(pictures: dict[str, Image.Image]) -> Image.Image:
    """Pictures of one height, side by side, each under its caption."""
    font = ImageFont.load_default()
    line, apart = 16, 8
    height = max(picture.height for picture in pictures.values())
    width = sum(picture.width + apart for picture in pictures.values()) - apart
    sheet = Image.new(next(iter(pictures.values())).mode, (width, height + line), "white")
    left = 0
    for caption, picture in pictures.items():
        ImageDraw.Draw(sheet).text((left + 2, 2), caption, fill="black", font=font)
        sheet.paste(picture, (left, line))
        left += picture.width + apart
    return sheet


def encode(picture: Image.Image, ending: str = ".png") -> bytes:
    """The bytes of an image file whose name has one of the `ENDINGS`.

    Raises:
        ConfigError: The picture is too large for this format.
    """
    buffer = io.BytesIO()
    try:
        picture.save(buffer, format=ENDINGS[ending])
    except (OSError, ValueError) as error:
        size = f"{picture.width} x {picture.height} pixels"
        raise ConfigError(f"A picture of {size} does not fit into {ending}: use .png.") from error
    return buffer.getvalue()
