"""Class names in pictures: shortened, and in a font that has their letters."""

import logging
import unicodedata
from functools import cache
from pathlib import Path
from typing import NamedTuple

from matplotlib.font_manager import FontProperties, findfont, get_font
from PIL import features

from .style import printable

# The first comes with matplotlib; the others are common ones for scripts that it lacks.
FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans",
    "Hiragino Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
)
ROW_CHARACTERS = 24  # of a class name beside a row of images
RIGHT_TO_LEFT = ("R", "AL")  # kinds of letters


class ClassText(NamedTuple):
    """What a picture prints for a class, and the family of a font that can print it."""

    text: str
    family: str = FAMILIES[0]

    @property
    def font(self) -> Path:
        """The file of the font."""
        return _font_file(self.family)


def class_text(label: int, name: str | None, most: int) -> ClassText:
    """The name of a class in at most `most` characters, or its number if it has none.

    The number also stands where no font is installed that has all the letters.
    """
    plain = ClassText(str(label))
    if name is None:
        return plain
    name = printable(name, most)
    if not name or not _can_order(name):
        return plain
    for family in FAMILIES:
        if _has_letters(_font_file(family), name):
            return ClassText(name, family)
    return plain


def _can_order(text: str) -> bool:
    """Whether its letters are drawn in the order in which they are read."""
    mixed = any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for letter in text)
    return not mixed or bool(features.check_feature("raqm"))


@cache
def _font_file(family: str) -> Path:
    """The file of a family of fonts; that of matplotlib's own if it is not installed."""
    log = logging.getLogger("matplotlib.font_manager")
    before = log.level
    log.setLevel(logging.ERROR)  # it warns of a family that is missing
    try:
        return Path(findfont(FontProperties(family=family)))
    finally:
        log.setLevel(before)


def _has_letters(font: Path, text: str) -> bool:
    glyphs = get_font(str(font))
    return all(glyphs.get_char_index(ord(letter)) for letter in text)
