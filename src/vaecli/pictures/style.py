"""Colours, axes and encoding of plots."""

import io
from warnings import catch_warnings, filterwarnings

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ENDINGS = (".png", ".pdf", ".svg")


# Ten colours that people with a colour vision deficiency can tell apart too:
# Accessible Color Sequences for Data Visualization (Petroff, 2021), https://arxiv.org/abs/2107.02270
COLORS = ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"]


COLORS += ["#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"]


def _printable(text: str) -> str:
    """A folder's name may hold bytes that are no text."""
    return text.encode(errors="replace").decode()


def _soften(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def _encode(figure: Figure, ending: str) -> bytes:
    """The figure as a file, the same bytes at every time."""
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(ending)
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "vaecli"}), catch_warnings():
        filterwarnings("ignore", "Glyph .* missing")  # an emoji in a path is drawn as a box
        figure.savefig(buffer, format=ending[1:], dpi=120, metadata=undated)
    return buffer.getvalue()
