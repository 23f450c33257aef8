"""Light and dark colours of pictures. Imports neither matplotlib nor Pillow."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours of a picture, as matplotlib and Pillow take them.

    They are greys, so that a picture of grey images stays one.

    Attributes:
        background: Behind curves and text, and of the halo around text.
        foreground: Of text, axes and outlines.
        grid: Of the lines behind the data, which are faint.
        gap: Grey level between the images of a grid, from 0 to 255.
    """

    background: str
    foreground: str
    grid: str
    gap: int


# The gaps differ from black and from white, the backgrounds of most images.
LIGHT = Theme(background="white", foreground="black", grid="#b0b0b0", gap=96)
DARK = Theme(background="#111111", foreground="#e6e6e6", grid="#808080", gap=56)


def choose_theme(dark: bool) -> Theme:
    """The theme that the option `--dark` chooses."""
    return DARK if dark else LIGHT
