"""Colours, axes and file formats of all plots."""

import io
from typing import Literal
from warnings import catch_warnings, filterwarnings

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patheffects import withStroke

from ..system.text import escape_controls, shorten
from .themes import LIGHT, Theme

ENDINGS = (".png", ".pdf", ".svg")
DPI = 150
SMALL = 8.5  # points: size of a note

# Ten colours that people with a colour vision deficiency can distinguish too, on both backgrounds:
# Accessible Color Sequences for Data Visualization (Petroff, 2021), https://arxiv.org/abs/2107.02270
COLORS = [
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
]


def printable(text: str, most: int | None = None) -> str:
    """The text with a question mark for each byte that is not UTF-8, as in a folder's name.

    Control characters, which an SVG must not hold, are escaped. With `most` it is one line of at
    most so many characters.
    """
    text = text.encode(errors="replace").decode()
    if most is None:
        return escape_controls(text)
    return shorten(text, most)


def style_axes(axes: Axes, theme: Theme = LIGHT) -> None:
    """The colours of the theme, a faint grid behind the data, and no frame above and on the right.

    Call it after the title and the labels are set.
    """
    axes.set_facecolor(theme.background)
    axes.spines[:].set_color(theme.foreground)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=theme.foreground)
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_color(theme.foreground)
    axes.grid(color=theme.grid, alpha=0.25)
    axes.set_axisbelow(True)


def style_legend(legend: Legend, theme: Theme = LIGHT) -> None:
    """Texts in the colour of the theme, printed as they are: a $ in a path starts no formula."""
    legend.get_title().set_color(theme.foreground)
    for text in legend.get_texts():
        text.set_color(theme.foreground)
        text.set_parse_math(False)


def add_note(
    axes: Axes,
    text: str,
    point: tuple[float, float],
    offset: tuple[float, float],
    align: Literal["left", "center", "right"],
    theme: Theme,
) -> None:
    """A small text near a point, legible over curves.

    Args:
        axes: Where it is drawn.
        text: What it says.
        point: In the units of the axes.
        offset: From the point, in points.
        align: Which side of the text is there.
        theme: Colours of the text and of its halo.
    """
    axes.annotate(
        text,
        point,
        xytext=offset,
        textcoords="offset points",
        ha=align,
        fontsize=SMALL,
        color=theme.foreground,
        path_effects=[withStroke(linewidth=3, foreground=theme.background)],
        zorder=6,
        parse_math=False,
    )


def ring_point(axes: Axes, point: tuple[float, float], color: str, theme: Theme) -> None:
    """A ring around a point, in the units of the axes."""
    axes.scatter(*point, s=50, facecolor=theme.background, edgecolor=color, linewidth=2, zorder=5)


def encode_figure(figure: Figure, ending: str) -> bytes:
    """The content of a file with one of the `ENDINGS`: the same bytes for the same figure."""
    no_date = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "vaecli"}), catch_warnings():
        filterwarnings("ignore", "Glyph .* missing")  # an emoji in a path becomes a box
        figure.savefig(buffer, format=ending[1:], dpi=DPI, metadata=no_date.get(ending))
    return buffer.getvalue()
