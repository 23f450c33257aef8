"""Colours, axes and file formats of all plots."""

import io
from warnings import catch_warnings, filterwarnings

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..system.text import escape_controls

ENDINGS = (".png", ".pdf", ".svg")

# Ten colours that people with a colour vision deficiency can distinguish too:
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


def printable(text: str) -> str:
    """The text with a question mark for each byte that is not UTF-8, as in a folder's name.

    Control characters, which an SVG must not hold, are escaped.
    """
    return escape_controls(text.encode(errors="replace").decode())


def style_axes(axes: Axes) -> None:
    """A faint grid behind the data, and no frame above and on the right."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def encode_figure(figure: Figure, ending: str) -> bytes:
    """The content of a file with one of the `ENDINGS`: the same bytes for the same figure."""
    no_date = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "vaecli"}), catch_warnings():
        filterwarnings("ignore", "Glyph .* missing")  # an emoji in a path becomes a box
        figure.savefig(buffer, format=ending[1:], dpi=120, metadata=no_date.get(ending))
    return buffer.getvalue()
