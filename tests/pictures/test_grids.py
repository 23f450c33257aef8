"""Grids of images."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from vaecli.pictures import grids

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


def test_every_image_is_in_its_cell():
    x = torch.arange(6).float().div(6).view(6, 1, 1, 1).expand(6, 1, 2, 3)
    sheet = array(grids.grid(x, columns=3))
    for n in range(6):
        top, left = n // 3 * (2 + PADDING), n % 3 * (3 + PADDING)
        assert (sheet[top : top + 2, left : left + 3] == round(255 * n / 6)).all()
    assert (sheet[2:4] == grids.PADDING_GREY).all()
    assert (sheet[:, 3:5] == grids.PADDING_GREY).all()


def test_values_outside_the_unit_interval_are_clipped_and_colours_kept():
    x = torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1)
    picture = grids.grid(x)
    assert picture.mode == "RGB"
    assert picture.getpixel((0, 0)) == (0, 128, 255)


def test_a_reconstruction_grid_has_every_output_below_its_input():
    inputs, outputs = torch.zeros(5, 1, 4, 4), torch.ones(5, 1, 4, 4)
    sheet = array(grids.reconstruction_grid(inputs, outputs, columns=3))
    assert sheet.shape == (4 * 4 + 3 * PADDING, 3 * 4 + 2 * PADDING)
    rows = [sheet[top : top + 4, :4].mean() for top in range(0, 24, 6)]
    assert rows == [0, 255, 0, 255]
    for top in (12, 18):
        assert (sheet[top : top + 4, -4:] == 0).all()  # there is no sixth image


def test_pictures_side_by_side_stand_below_their_captions():
    left, right = grids.grid(torch.zeros(4, 1, 20, 20)), grids.grid(torch.ones(4, 1, 20, 20))
    sheet = array(grids.side_by_side({"real": left, "generated": right}))
    assert (sheet[-left.height :, : left.width] == array(left)).all()
    assert (sheet[-right.height :, -right.width :] == array(right)).all()
    captions = sheet[: -left.height]
    assert (captions[:, : left.width] < 255).any()  # letters
    assert (captions[:, -right.width :] < 255).any()


@pytest.mark.parametrize("ending", grids.ENDINGS)
def test_every_ending_gives_its_format(ending):
    content = grids.encode_image(grids.grid(torch.rand(4, 1, 8, 8)), ending)
    assert Image.open(io.BytesIO(content)).format == grids.ENDINGS[ending]


def test_png_keeps_every_pixel_and_the_same_bytes():
    picture = grids.grid(torch.rand(4, 1, 8, 8))
    content = grids.encode_image(picture)
    assert (array(Image.open(io.BytesIO(content))) == array(picture)).all()
    assert grids.encode_image(picture) == content
