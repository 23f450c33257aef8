"""Reading pictures, and names that are hard to print."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from vaecli.pictures import latent_map, loss_curves, tuning

STARTS = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}  # first bytes of a format
HARD_NAMES = ["$", "$x", "a_b^c", "\N{GRINNING FACE}", "two\nlines", "[red]", "\udcff"]


def grey(content: bytes) -> np.ndarray:
    """The brightness of each pixel, shape `(height, width)`."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"))


def ink(content: bytes) -> int:
    """Pixels that are not white."""
    return int((grey(content) < 250).sum())


@pytest.fixture
def figures(monkeypatch) -> list[Figure]:
    """The figures that are plotted, instead of the files."""
    plotted: list[Figure] = []

    def keep(figure, ending):
        plotted.append(figure)
        return b""

    for module in (latent_map, loss_curves, tuning):
        monkeypatch.setattr(module, "encode_figure", keep)
    return plotted


def legend_entries(figure: Figure) -> dict[str, object]:
    """The line or the marker of each entry of the legend, by its text."""
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    return dict(zip(texts, legend.legend_handles, strict=True))
