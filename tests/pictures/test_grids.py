"""Grids of images."""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from vaecli.pictures import grids
from vaecli.pictures.themes import DARK, LIGHT
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
    picture = grids.reconstruction_grid(*tensors, scale=1, **more)
    assert_cells(array(picture), np.concatenate(rows), expected)


def test_reconstructions_keep_their_colours():
    inputs, outputs = torch.rand(2, 2, 3, 4, 4)
    sheet = array(grids.reconstruction_grid(inputs, outputs, scale=1))
    assert (sheet[:4] == array(grids.grid(inputs))).all()
    assert (sheet[6:] == array(grids.grid(outputs))).all()


@pytest.mark.parametrize(
    ("size", "factor"),
    [
        ((238, 238), 3),  # 64 samples of MNIST
        ((238, 58), 3),  # 8 reconstructions: digits of the same size
        ((298, 28), 2),
        ((28, 298), 2),
        ((28, 28), 18),
        ((479, 10), 2),
        ((480, 10), 1),
        ((481, 4000), 1),
        ((1, 1), 480),
    ],
)
def test_the_longer_side_gets_480_pixels_by_the_smallest_whole_factor(size, factor):
    assert grids.enlarge(Image.new("L", size)).size == (size[0] * factor, size[1] * factor)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [1, 2, 3, 7, None])
def test_every_pixel_is_repeated_exactly(channels, scale):
    raw = grids.grid(torch.rand(6, channels, 5, 7), 3)  # 25 x 12
    repeats = scale or 20
    wanted = array(raw).repeat(repeats, 0).repeat(repeats, 1)
    assert np.array_equal(array(grids.enlarge(raw, scale)), wanted)


def test_a_picture_of_more_than_100_million_pixels_is_refused_before_it_is_made():
    grids.check_size(100_000, (1, 28, 28), None)
    grids.check_size(100_000, (1, 28, 28), 1)
    grids.check_size(64, (1, 28, 28), 41)
    rest = "of 28 x 28 pixels has more than the 100 million pixels that a picture may have"
    for count, scale, start, end in (
        (64, 42, "scale=42: a grid of 64 images", "use scale=41 or less."),
        (64, 10**30, f"scale={10**30}: a grid of 64 images", "use scale=41 or less."),
        (100_000, 2, "scale=2: a grid of 100,000 images", "use scale=1 or fewer images."),
        (200_000, None, "A grid of 200,000 images", "use fewer images."),
        (200_000, 5, "A grid of 200,000 images", "use fewer images."),
    ):
        message = re.escape(f"{start} {rest}: {end}")
        with pytest.raises(ConfigError, match=f"^{message}$"):
            grids.check_size(count, (1, 28, 28), scale)


def text_rows(margin, background):
    """For each row of pixels of a margin, whether it has text."""
    return (np.abs(margin.astype(int) - background) > 100).any(1)


@pytest.mark.parametrize(("theme", "background"), [(LIGHT, 255), (DARK, 17)])
@pytest.mark.parametrize("count", [1, 8, 18])
def test_each_row_of_reconstructions_has_its_label_in_the_margin(theme, background, count):
    """The images beside it are the enlarged ones; the longer label is that of the outputs."""
    x, y = torch.rand(2, count, 1, 28, 28)
    raw = grids.reconstruction_grid(x, y, scale=1, theme=theme)
    wanted = array(grids.enlarge(raw))
    sheet = array(grids.reconstruction_grid(x, y, theme=theme))
    margin = sheet.shape[1] - wanted.shape[1]
    assert np.array_equal(sheet[:, margin:], wanted)
    rows = np.array_split(sheet[:, :margin], 2 if count < 16 else 4)
    widths = []
    for row in rows:
        shown = text_rows(row, background)
        assert 8 <= shown.sum() <= 40  # pixels
        assert not shown[0]
        middle = np.flatnonzero(shown).mean()
        assert middle == pytest.approx(len(row) / 2, abs=0.1 * len(row) + 3)
        assert not shown[-1]
        columns = np.flatnonzero(text_rows(row.T, background))
        assert columns[0] > 2
        assert columns[-1] < margin - 3
        assert margin - columns[-1] < 25  # near to the images
        widths.append(np.ptp(columns))
    assert all(2 * above < below for above, below in zip(widths[::2], widths[1::2], strict=True))
    assert (np.median(sheet[:, :margin]), sheet[3, 3]) == (background, background)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_side_by_side_are_enlarged_below_their_own_captions(channels):
    """By one factor, whatever their sizes; the captions stand over their pictures."""
    left, right = (grids.grid(torch.rand(n, channels, 20, 20), 2) for n in (2, 6))
    picture = grids.side_by_side({"real": left, "generated": right})
    assert picture.mode == ("L" if channels == 1 else "RGB")
    sheet = array(picture)
    factor = 8  # the right one is 42 x 64
    top = sheet.shape[0] - 64 * factor
    width = 42 * factor
    distance = sheet.shape[1] - 2 * width
    assert 10 < top < 50
    assert 10 < distance < 50
    enlarged = [array(x).repeat(factor, 0).repeat(factor, 1) for x in (left, right)]
    assert np.array_equal(sheet[top : top + 20 * factor, :width], enlarged[0])
    assert np.array_equal(sheet[top:, width + distance :], enlarged[1])
    assert (sheet[top:, width : width + distance] == 255).all()
    captions = sheet[:top].reshape(top, sheet.shape[1], -1)[..., 0]
    dark = np.flatnonzero(text_rows(captions.T, 255))
    real, generated = dark[dark < width], dark[dark >= width + distance]
    assert len(real) + len(generated) == len(dark)
    assert 20 < np.ptp(real) < np.ptp(generated) < width


def test_the_gaps_of_the_dark_theme_are_darker():
    x = torch.ones(3, 1, 4, 4)
    assert set(np.unique(array(grids.grid(x)))) == {96, 255}
    assert set(np.unique(array(grids.grid(x, theme=DARK)))) == {56, 255}


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


def test_the_font_grows_with_the_picture_and_is_no_higher_than_a_row():
    assert [grids._font(width, 100).size for width in (100, 510, 1020)] == [15, 15, 30]
    assert grids._font(4800, 20).size == 20


def test_the_labels_of_a_wide_picture_are_no_higher_than_its_rows():
    picture = grids.label_rows(Image.new("L", (1600, 20)), ["input", "reconstruction"], LIGHT)
    assert picture.size[0] < 1600 + 100


def test_pictures_side_by_side_can_be_dark():
    pictures = {"real": grids.grid(torch.ones(4, 1, 20, 20))}
    sheet = array(grids.side_by_side(pictures, DARK))
    captions = sheet[:20]
    assert np.median(captions) == 17
    assert captions.max() > 150
