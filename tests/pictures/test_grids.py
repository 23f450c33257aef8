"""Grids of images."""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from vaecli.pictures import grids
from vaecli.system.errors import ConfigError

PADDING = 2


def array(picture):
    return np.asarray(picture)


@pytest.mark.parametrize(
    ("count", "columns", "size"),
    [
        (64, None, (8, 8)),
        (10, None, (10, 1)),
        (1, None, (1, 1)),
        (11, None, (4, 3)),
        (65, None, (9, 8)),
        (10, 4, (4, 3)),
    ],
)
def test_a_grid_has_the_right_number_of_columns_and_rows(count, columns, size):
    picture = grids.grid(torch.rand(count, 1, 5, 7), columns)
    across, down = size
    assert picture.size == (across * (7 + PADDING) - PADDING, down * (5 + PADDING) - PADDING)


def assert_cells(sheet, images, columns):
    """Row by row, each image is in its cell, and everything else is the grey between them.

    Args:
        sheet: Pixels of a grid, shape `(height, width)` or `(height, width, 3)`.
        images: Bytes, shape `(N, H, W)` or `(N, H, W, 3)`.
        columns: Images per row.
    """
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    expected = np.full((rows * (height + 2) - 2, columns * (width + 2) - 2, *images.shape[3:]), 96)
    for n, image in enumerate(images):
        top = n // columns * (height + 2)
        left = n % columns * (width + 2)
        expected[top : top + height, left : left + width] = image
    np.testing.assert_array_equal(sheet, expected)


@pytest.mark.parametrize(
    ("count", "columns", "expected"),
    [
        (1, None, 1),
        (9, None, 9),
        (10, None, 10),
        (11, None, 4),
        (16, None, 4),
        (17, None, 5),
        (6, 3, 3),
        (7, 3, 3),
        (7, 10, 10),
    ],
)
def test_every_image_is_in_its_cell(count, columns, expected):
    """Each has its own pixels, and is upright."""
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 4))
    x = torch.from_numpy(images).float().div(255).unsqueeze(1)
    picture = grids.grid(x, columns)
    assert picture.mode == "L"
    assert_cells(array(picture), images, expected)


def test_images_of_three_channels_keep_their_colours_in_their_cells():
    images = np.random.default_rng(0).integers(0, 256, (11, 3, 4, 3))
    x = torch.from_numpy(images).float().div(255).permute(0, 3, 1, 2)
    picture = grids.grid(x)
    assert picture.mode == "RGB"
    assert_cells(array(picture), images, 4)


def test_zero_is_black_one_is_white_and_the_rest_is_rounded():
    x = torch.tensor([0.0, 1.0, 0.499, 0.998, 0.0019, 0.5]).view(1, 1, 1, 6)
    assert array(grids.grid(x)).tolist() == [[0, 255, 127, 254, 0, 128]]
    assert array(grids.grid(torch.tensor([[[[0.0021]]]]))).tolist() == [[1]]


def test_values_outside_the_unit_interval_are_clipped_and_colours_kept():
    x = torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1)
    picture = grids.grid(x)
    assert picture.mode == "RGB"
    assert picture.getpixel((0, 0)) == (0, 128, 255)


@pytest.mark.parametrize(
    ("count", "columns", "expected"), [(5, 3, 3), (4, 2, 2), (2, 3, 2), (20, None, 16)]
)
def test_a_reconstruction_grid_has_every_output_below_its_input(count, columns, expected):
    """The rest of the last rows is black."""
    inputs, outputs = np.random.default_rng(0).integers(1, 256, (2, count, 3, 4))
    rows = []
    for start in range(0, count, expected):
        for images in (inputs, outputs):
            row = np.zeros((expected, 3, 4), int)
            shown = images[start : start + expected]
            row[: len(shown)] = shown
            rows.append(row)
    tensors = [torch.from_numpy(x).float().div(255).unsqueeze(1) for x in (inputs, outputs)]
    more = {} if columns is None else {"columns": columns}
    picture = grids.reconstruction_grid(*tensors, **more)
    assert_cells(array(picture), np.concatenate(rows), expected)


def test_reconstructions_keep_their_colours():
    inputs, outputs = torch.rand(2, 2, 3, 4, 4)
    sheet = array(grids.reconstruction_grid(inputs, outputs))
    assert (sheet[:4] == array(grids.grid(inputs))).all()
    assert (sheet[6:] == array(grids.grid(outputs))).all()


def caption(text, width, mode="L"):
    """A caption as it is drawn above a picture."""
    sheet = Image.new(mode, (width, 16), "white")
    ImageDraw.Draw(sheet).text((2, 2), text, fill="black", font=ImageFont.load_default())
    return array(sheet)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_side_by_side_stand_below_their_own_captions(channels):
    mode = "L" if channels == 1 else "RGB"
    left, right = (grids.grid(x) for x in torch.rand(2, 4, channels, 20, 20))
    picture = grids.side_by_side({"real": left, "generated": right})
    assert picture.mode == mode
    sheet = array(picture)
    width = left.width
    assert sheet.shape[:2] == (left.height + 16, 2 * width + 8)
    assert (sheet[16:, :width] == array(left)).all()
    assert (sheet[16:, width + 8 :] == array(right)).all()
    assert (sheet[:16, :width] == caption("real", width, mode)).all()
    assert (sheet[:16, width + 8 :] == caption("generated", width, mode)).all()
    assert (sheet[:, width : width + 8] == 255).all()
    assert (caption("real", width) != caption("generated", width)).any()


@pytest.mark.parametrize("ending", grids.ENDINGS)
def test_every_ending_gives_its_format(ending):
    content = grids.encode_image(grids.grid(torch.rand(4, 1, 8, 8)), ending)
    assert Image.open(io.BytesIO(content)).format == grids.ENDINGS[ending]


def test_png_keeps_every_pixel_and_the_same_bytes():
    picture = grids.grid(torch.rand(4, 1, 8, 8))
    content = grids.encode_image(picture)
    assert (array(Image.open(io.BytesIO(content))) == array(picture)).all()
    assert grids.encode_image(picture) == content


@pytest.mark.parametrize(("ending", "width"), [(".webp", 16384), (".jpg", 65536)])
def test_a_picture_too_large_for_its_format_is_refused_with_another(ending, width):
    picture = Image.new("L", (width, 1))
    message = f"A picture of {width} x 1 pixels is too large for {ending}: use .png."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        grids.encode_image(picture, ending)
    assert Image.open(io.BytesIO(grids.encode_image(picture))).size == (width, 1)
