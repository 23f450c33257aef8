"""Sizes of images as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaecli.config.config import Config
from vaecli.config.image_sizes import LARGEST, format_image_size, parse_image_size
from vaecli.system.errors import ConfigError

SIZES = st.integers(1, LARGEST)


@given(height=SIZES, width=SIZES)
def test_a_size_is_written_and_read_back(height, width):
    assert parse_image_size(format_image_size(height, width)) == (height, width)


def test_the_width_comes_first():
    assert parse_image_size("48x32") == (32, 48)
    assert parse_image_size("7") == (7, 7)
    assert format_image_size(32, 48) == "48x32"


@pytest.mark.parametrize("text", ["4096", "4096x1", "1x4096", "1"])
def test_the_smallest_and_the_largest_size_are_read(text):
    assert Config(image_size=text).image_size == text


@pytest.mark.parametrize("text", ["0", "0x5", "5x0", "4097", "4097x1", "1x4097", "999999999"])
def test_a_size_out_of_bounds_is_refused(text):
    with pytest.raises(ConfigError, match=f"image_size='{text}': must be from 1 to 4096"):
        parse_image_size(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "5x",
        "x5",
        "5x5x5",
        "-5",
        "5 ",
        "5.0",
        "5X5",
        "5\n",
        "\u0665",
        "9" * 5000,
        "5x" + "9" * 5000,
    ],
)
def test_a_text_that_is_no_size_is_refused(text):
    with pytest.raises(ConfigError, match="write 64, or 48x32 for width and height"):
        parse_image_size(text)


@pytest.mark.parametrize(("text", "expected"), [("64x64", "64"), ("064", "64"), ("08x9", "8x9")])
def test_a_configuration_has_one_text_for_each_size(text, expected):
    """Else `--resume auto` would not find a run by the text that it was begun with."""
    assert Config(image_size=text).image_size == expected
    assert Config().with_values(image_size=text).image_size == expected
