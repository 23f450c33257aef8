"""Pairs of images that are nearly the same: saved again, resized, or slightly brighter."""

import numpy as np
import torch
from numpy.typing import NDArray

from .measures import THUMBNAIL

Pixels = NDArray[np.float32]
Indices = NDArray[np.int64]

MAX_IMAGES = 150_000  # compared with each other: with 2 cores about five minutes
DIRECTIONS = 48  # principal components in which neighbours are found
SAMPLE = 5_000  # images that the components are of
ROWS = 1_024  # images whose neighbours are found at a time
PAIRS = 8_192  # pairs that are compared at a time
NEIGHBOURS = 8  # of each image
MIN_CONTRAST = 4.0  # grey levels, standard deviation: below, noise looks like content

MAX_DISTANCE = 0.4  # of images of norm 1: of the images that have no nearer one, none has a copy
# A pair is nearly the same if the difference that no change of brightness and contrast explains is
# below all of these, in standard deviations of the image. Photographs, icons, digits and their
# copies as JPEG (quality 60 to 85), resized or brightened by 15 % chose them.
MAX_DIFFERENCE = 0.14  # root mean square
MAX_LOCAL = 0.3  # in the worst of 16 blocks: icons that differ in one sign alone are no copies
MAX_RATIO = 0.2  # of the difference to the fifth nearest image: digits are all alike
ALWAYS = 0.05  # a smaller difference needs no comparison with the fifth nearest
FEW_IMAGES = 0.3  # taken as the difference to the fifth nearest image where there are none


def _gradients() -> Pixels:
    """Orthonormal polynomials of degree 1 and 2 in a channel, shape `(16 * 16 * 3, 15)`."""
    place = np.linspace(-1, 1, THUMBNAIL)
    y, x = (axis.ravel() for axis in np.meshgrid(place, place, indexing="ij"))
    basis = np.linalg.qr(np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1))[0]
    return np.kron(basis[:, 1:], np.eye(3)).astype(np.float32)


GRADIENTS = _gradients()


def near_pairs(thumbnails: NDArray[np.uint8]) -> Indices:
    """The pairs of images that are nearly the same, shape `(P, 2)`, first index below the second.

    Every image is compared with its nearest neighbours in a space of few dimensions.

    Args:
        thumbnails: Shape `(N, 16, 16, 3)`.
    """
    every = -(-len(thumbnails) // MAX_IMAGES)
    chosen = np.arange(0, len(thumbnails), max(1, every))
    contrast = [
        thumbnails[part].std((1, 2, 3)) for part in np.array_split(chosen, 1 + len(chosen) // PAIRS)
    ]
    kept = chosen[np.concatenate(contrast) >= MIN_CONTRAST]
    if len(kept) < 2:
        return np.empty((0, 2), np.int64)
    thumbnails = thumbnails[kept]
    distances, neighbours = _neighbours(_project(thumbnails))
    close = np.flatnonzero(distances[:, 0] < MAX_DISTANCE)
    if not len(close):
        return np.empty((0, 2), np.int64)
    neighbours = neighbours[close]
    images = close.repeat(neighbours.shape[1])
    mean, local = _compare_pairs(thumbnails, images, neighbours.ravel())
    reference = np.full(len(close), FEW_IMAGES, np.float32)
    if neighbours.shape[1] >= 5:
        reference = np.sort(mean.reshape(neighbours.shape), axis=1)[:, 4]
    limit = np.maximum(MAX_RATIO * reference.repeat(neighbours.shape[1]), ALWAYS)
    same = (mean < MAX_DIFFERENCE) & (local < MAX_LOCAL) & (mean < limit)
    pairs = np.stack([images[same], neighbours.ravel()[same]], axis=1)
    return np.unique(np.sort(kept[pairs], axis=1), axis=0)


def _project(thumbnails: NDArray[np.uint8]) -> torch.Tensor:
    """Principal components of the images at 8 x 8 pixels, of mean 0 and norm 1, shape `(N, D)`."""
    half = THUMBNAIL // 2
    pixels = torch.from_numpy(thumbnails)
    rows = torch.cat(
        [
            _normalize(part.float().unflatten(1, (half, 2)).unflatten(3, (half, 2)).mean((2, 4)))
            for part in pixels.split(PAIRS)
        ]
    )
    sample = rows[:: -(-len(rows) // SAMPLE)]
    directions = torch.linalg.eigh(sample.T @ sample).eigenvectors[:, -DIRECTIONS:]
    points: torch.Tensor = rows @ directions
    return points


def _normalize(images: torch.Tensor) -> torch.Tensor:
    """The images, shape `(N, h, w, 3)`, as rows of mean 0 and norm 1."""
    rows = images.flatten(1)
    centred = rows - rows.mean(1, keepdim=True)
    norms: torch.Tensor = centred.norm(dim=1, keepdim=True)
    return centred / norms.clamp(min=1e-6)


def _neighbours(points: torch.Tensor) -> tuple[Pixels, Indices]:
    """The nearest other points of each point, or all others if there are few.

    Returns:
        Their distances, the nearest first, and their indices, each of shape `(N, K)`.
    """
    count = min(NEIGHBOURS, len(points) - 1)
    squares = points.square().sum(1)
    distances = []
    found = []
    for start in range(0, len(points), ROWS):
        block = points[start : start + ROWS]
        square = torch.addmm(squares, block, points.T, alpha=-2)  # without the block's squares
        square[torch.arange(len(block)), torch.arange(start, start + len(block))] = torch.inf
        nearest = square.topk(count, dim=1, largest=False)
        own = squares[start : start + ROWS, None]
        distances.append((nearest.values + own).clamp(min=0).sqrt())
        found.append(nearest.indices)
    return torch.cat(distances).numpy(), torch.cat(found).numpy()


def _compare_pairs(
    thumbnails: NDArray[np.uint8], first: Indices, second: Indices
) -> tuple[Pixels, Pixels]:
    """The difference of each pair, on average and in the worst block, each of shape `(P,)`."""
    means = []
    locals_ = []
    for start in range(0, len(first), PAIRS):
        part = slice(start, start + PAIRS)
        a = thumbnails[first[part]].astype(np.float32)
        b = thumbnails[second[part]].astype(np.float32)
        # A brighter copy is cut off at white: only the darker one can be fitted to the other.
        forward, backward = _difference(a, b), _difference(b, a)
        better = np.where(forward[0] <= backward[0], forward, backward)
        means.append(better[0])
        locals_.append(better[1])
    return np.concatenate(means), np.concatenate(locals_)


def _detail(rows: Pixels) -> Pixels:
    """Standard deviation without a smooth gradient: two patches of sky are no copies."""
    smooth = rows @ GRADIENTS
    variance: Pixels = rows.var(1) - (smooth**2).sum(1) / rows.shape[1]
    return np.sqrt(np.maximum(variance, 0), dtype=np.float32)


def _difference(target: Pixels, image: Pixels) -> tuple[Pixels, Pixels]:
    """What is left of the target after the best change of brightness and contrast of the image.

    Args:
        target: Shape `(P, 16, 16, 3)`.
        image: The same shape.

    Returns:
        The root mean square of the difference, on average and in the worst block of 4 x 4 pixels,
        in standard deviations of the target, each of shape `(P,)`.
    """
    y = target.reshape(len(target), -1)
    x = image.reshape(len(image), -1)
    inside = (y > 5) & (y < 250) & (x > 5) & (x < 250)  # not cut off at black or white
    weight = inside.astype(np.float32) + 1e-3
    weight /= weight.sum(1, keepdims=True)
    mean_y = (weight * y).sum(1, keepdims=True)
    mean_x = (weight * x).sum(1, keepdims=True)
    covariance = (weight * (x - mean_x) * (y - mean_y)).sum(1, keepdims=True)
    variance = (weight * (x - mean_x) ** 2).sum(1, keepdims=True)
    gain = np.clip(covariance / np.maximum(variance, 1e-6), 0.7, 1 / 0.7)
    offset = np.clip(mean_y - gain * mean_x, -40, 40)
    rest = (np.clip(gain * x + offset, 0, 255) - y) ** 2
    blocks = rest.reshape(len(rest), 4, THUMBNAIL // 4, 4, THUMBNAIL // 4, 3).mean((2, 4, 5))
    scale = np.maximum(_detail(y), 1)
    return (
        np.sqrt(rest.mean(1)) / scale,
        np.sqrt(blocks.reshape(len(rest), -1).max(1)) / scale,
    )
