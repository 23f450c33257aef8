"""Pictures that commands wrote, as arrays."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vaecli.pictures import grids


def picture(source: bytes | Path) -> NDArray[np.uint8]:
    """The pixels of a picture in a file or in memory."""
    return np.asarray(Image.open(io.BytesIO(source) if isinstance(source, bytes) else source))


def grid(x: Tensor, columns: int | None = None) -> NDArray[np.uint8]:
    """The pixels of a grid of images x, shape `(N, C, H, W)`."""
    return np.asarray(grids.grid(x, columns))


def enlarged(x: Tensor, columns: int | None = None) -> NDArray[np.uint8]:
    """The pixels of a grid as it is written: until its longer side has 480 pixels."""
    return np.asarray(grids.enlarge(grids.grid(x, columns)))


def tiles(path: Path, size: int = 8) -> list[list[NDArray[np.float64]]]:
    """The images of a grid, row by row."""
    whole = picture(path).astype(float)
    step = size + grids.PADDING
    return [
        [whole[top : top + size, left : left + size] for left in range(0, whole.shape[1], step)]
        for top in range(0, whole.shape[0], step)
    ]
