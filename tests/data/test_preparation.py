"""From images of any size to pixels of one shape."""

import numpy as np
import pytest
import torch
from PIL import Image

from vaecli.config.config import Config
from vaecli.data.preparation import Preparation, choose_preparation, is_chosen, prepare_pixels
from vaecli.data.readers.item import BadImageError, Outline
from vaecli.system import machine
from vaecli.system.errors import ResourceError


def stripes(width, height):
    """An image whose left third is red, its middle green and its right third blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for colour in range(3):
        pixels[:, width * colour // 3 : width * (colour + 1) // 3, colour] = 255
    return Image.fromarray(pixels)


def test_an_image_of_the_right_shape_keeps_its_pixels():
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    found = Preparation(4, 6, 3).apply(Image.fromarray(pixels), "a")
    assert torch.equal(found, torch.from_numpy(pixels).permute(2, 0, 1))


def test_an_image_on_its_side_is_resized():
    """It has as many numbers as the shape needs: they must not be read as if it had the shape."""
    found = Preparation(4, 6, 3, "stretch").apply(stripes(4, 6), "a")
    assert found.shape == (3, 4, 6)
    assert (found == found[:, :1]).all()
    assert len(found[0, 0].unique()) > 1


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_fine_patterns_become_their_mean(resize):
    """Picking single pixels would give black or white."""
    pattern = np.indices((64, 64)).sum(0) % 2 * 255
    image = Image.fromarray(pattern.astype(np.uint8))
    found = Preparation(16, 16, 1, resize).apply(image, "a")
    assert ((found > 110) & (found < 145)).all()


def test_crop_takes_the_middle_and_stretch_takes_all():
    image = stripes(90, 30)
    cropped = Preparation(30, 30, 3, "crop").apply(image, "a")
    assert (cropped[1] == 255).all()
    assert (cropped[0] == 0).all()
    stretched = Preparation(30, 30, 3, "stretch").apply(image, "a")
    for colour in range(3):
        assert (stretched[colour, :, 10 * colour + 3 : 10 * colour + 7] > 250).all()


def test_pad_keeps_the_aspect_and_fills_with_white():
    padded = Preparation(30, 30, 3, "pad").apply(stripes(90, 30), "a")
    assert (padded[:, :9] == 255).all()
    assert (padded[:, 21:] == 255).all()
    assert (padded[0, 12:18, 2:8] > 250).all()
    assert (padded[2, 12:18, 2:8] < 5).all()


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("L", 3), ("RGB", 1), ("RGB", 3)])
def test_every_way_gives_the_shape_and_keeps_a_flat_image_flat(resize, mode, channels):
    flat = Image.new("RGB", (40, 25), (200, 200, 200)).convert(mode)
    found = Preparation(16, 24, channels, resize).apply(flat, "a")
    assert found.shape == (channels, 16, 24)
    inside = found[:, 2:-2, 2:-2] if resize == "pad" else found
    assert (inside == 200).all()


def test_grey_is_the_luma_of_colour():
    image = Image.new("RGB", (2, 2), (255, 0, 0))
    assert (Preparation(2, 2, 1).apply(image, "a") == round(0.299 * 255)).all()


def test_an_image_that_is_all_length_is_refused_by_name():
    assert Preparation(8, 8, 1).apply(Image.new("L", (20, 1)), "a").shape == (1, 8, 8)
    with pytest.raises(BadImageError, match=r"^long\.png has 21x1 pixels"):
        Preparation(8, 8, 1).apply(Image.new("L", (21, 1)), "long.png")


@pytest.mark.parametrize(
    ("sizes", "options", "expected"),
    [
        ([(32, 32), (32, 32)], {}, (32, 32)),
        ([(48, 20)], {}, (20, 48)),
        ([(64, 64)], {}, (64, 64)),
        ([(65, 65)], {}, (64, 64)),
        ([(64, 65)], {}, (64, 64)),
        ([(32, 32), (16, 16)], {}, (64, 64)),
        ([(32, 32), (16, 16)], {"image_size": 28}, (28, 28)),
        ([(32, 32)], {"image_size": "48x20"}, (20, 48)),
    ],
)
def test_the_size_is_that_of_the_images_if_it_is_small_and_uniform(sizes, options, expected):
    outlines = [Outline(width, height, 1) for width, height in sizes]
    found = choose_preparation(Config(**options), outlines)
    assert (found.height, found.width) == expected


@pytest.mark.parametrize(
    ("channels", "option", "expected"),
    [
        ([1, 1], "auto", 1),
        ([1, 3], "auto", 3),
        ([3, 1], "auto", 3),
        ([], "auto", 1),
        ([3, 3], "auto", 3),
        ([3, 3], 1, 1),
        ([1, 1], "3", 3),
    ],
)
def test_one_image_with_colour_makes_all_colour(channels, option, expected):
    outlines = [Outline(8, 8, number) for number in channels]
    assert choose_preparation(Config(channels=option), outlines).channels == expected


def test_the_way_to_resize_is_that_of_the_options():
    for resize in ("crop", "pad", "stretch"):
        assert choose_preparation(Config(resize=resize)).resize == resize
    wide = torch.zeros(1, 1, 10, 30, dtype=torch.uint8)
    assert prepare_pixels(wide, Config(image_size=10, resize="pad"))[0, 0, 0, 0] == 255


def test_the_options_alone_say_all_only_with_size_and_channels():
    assert is_chosen(Config(image_size=8, channels=1))
    assert not is_chosen(Config(image_size=8))
    assert not is_chosen(Config(channels=1))


def test_pixels_of_a_row_and_of_images_that_differ_are_prepared():
    row = torch.arange(10, dtype=torch.uint8).view(2, 1, 1, 5)
    assert torch.equal(prepare_pixels(row, Config(channels=3)), row.expand(2, 3, 1, 5))
    colours = row.expand(2, 3, 1, 5)
    assert torch.equal(prepare_pixels(colours, Config(channels=1)), row)


def test_pixels_of_a_named_set_are_prepared_only_if_that_is_asked_for():
    pixels = torch.full((5, 1, 28, 28), 7, dtype=torch.uint8)
    assert prepare_pixels(pixels, Config()) is pixels
    large = torch.full((2, 3, 96, 96), 7, dtype=torch.uint8)
    assert prepare_pixels(large, Config()) is large
    found = prepare_pixels(pixels, Config(image_size=32, channels=3))
    assert found.shape == (5, 3, 32, 32)
    assert (found == 7).all()
    assert prepare_pixels(large, Config(channels=1)).shape == (2, 1, 96, 96)


def test_pixels_that_do_not_fit_in_memory_are_not_prepared(monkeypatch):
    pixels = torch.zeros(5, 1, 28, 28, dtype=torch.uint8)
    monkeypatch.setattr(machine, "available_memory", lambda: 5 * 3 * 32 * 32 - 1)
    with pytest.raises(ResourceError, match=r"5 images of \(3, 32, 32\) needs"):
        prepare_pixels(pixels, Config(image_size=32, channels=3))
    monkeypatch.setattr(machine, "available_memory", lambda: 5 * 3 * 32 * 32)
    assert len(prepare_pixels(pixels, Config(image_size=32, channels=3))) == 5
