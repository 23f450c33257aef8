import io

import numpy as np
import pytest
import torch
from PIL import Image

from vaecli.pictures import grids as images

GAP = 2


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
def test_a_grid_has_the_columns_it_should(count, columns, size):
    picture = images.grid(torch.rand(count, 1, 5, 7), columns)
    across, down = size
    assert picture.size == (across * (7 + GAP) - GAP, down * (5 + GAP) - GAP)


def test_pixels_stand_where_they_belong():
    x = torch.arange(6).float().div(6).view(6, 1, 1, 1).expand(6, 1, 2, 3)
    sheet = array(images.grid(x, columns=3))
    for n in range(6):
        top, left = n // 3 * (2 + GAP), n % 3 * (3 + GAP)
        assert (sheet[top : top + 2, left : left + 3] == round(255 * n / 6)).all()
    assert (sheet[2:4] == images.GREY).all()
    assert (sheet[:, 3:5] == images.GREY).all()


def test_values_outside_the_unit_interval_are_clipped_and_colours_kept():
    x = torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1)
    picture = images.grid(x)
    assert picture.mode == "RGB"
    assert picture.getpixel((0, 0)) == (0, 128, 255)


def test_pairs_put_every_output_under_its_input():
    inputs, outputs = torch.zeros(5, 1, 4, 4), torch.ones(5, 1, 4, 4)
    sheet = array(images.pairs(inputs, outputs, columns=3))
    assert sheet.shape == (4 * 4 + 3 * GAP, 3 * 4 + 2 * GAP)
    rows = [sheet[top : top + 4, :4].mean() for top in range(0, 24, 6)]
    assert rows == [0, 255, 0, 255]


def test_beside_keeps_both_pictures_under_their_captions():
    left, right = images.grid(torch.zeros(4, 1, 20, 20)), images.grid(torch.ones(4, 1, 20, 20))
    sheet = array(images.beside({"real": left, "generated": right}))
    assert (sheet[-left.height :, : left.width] == array(left)).all()
    assert (sheet[-right.height :, -right.width :] == array(right)).all()
    assert (sheet[: -left.height] < 255).any()  # letters


@pytest.mark.parametrize("ending", images.ENDINGS)
def test_every_ending_gives_its_format(ending):
    content = images.encode(images.grid(torch.rand(4, 1, 8, 8)), ending)
    assert Image.open(io.BytesIO(content)).format == images.ENDINGS[ending]


def test_png_keeps_every_pixel_and_the_same_bytes():
    picture = images.grid(torch.rand(4, 1, 8, 8))
    content = images.encode(picture)
    assert (array(Image.open(io.BytesIO(content))) == array(picture)).all()
    assert images.encode(picture) == content
