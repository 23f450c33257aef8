"""Reading pictures, and names that are hard to print."""

import io

import numpy as np
from PIL import Image

STARTS = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}  # first bytes of a format
HARD_NAMES = ["$", "$x", "a_b^c", "\N{GRINNING FACE}", "two\nlines", "[red]", "\udcff"]


def grey(content: bytes) -> np.ndarray:
    """The brightness of each pixel, shape `(height, width)`."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"))


def ink(content: bytes) -> int:
    """Pixels that are not white."""
    return int((grey(content) < 250).sum())
