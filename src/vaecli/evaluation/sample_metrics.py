"""Metrics of samples: functions of features or pixels, in float64 where nothing else is said."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..data.images import Images
from .intervals import Estimate, around, bootstrap, resample

NEIGHBOURS = 5
CLEAR = 0.9  # a clear image has a class with a higher probability
NEAREST_PARTS = 12  # parts of the training images, to bound memory: 5,000 each for MNIST
MAX_DISTANCES = 4_000_000  # at a time: 32 MB


def frechet_distances(samples: Tensor, real: Tensor, counts: Tensor) -> Tensor:
    """Frechet distances between the normals fitted to samples and to real images, shape `(R,)`.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) with means m and covariances C (N - 1 in the
    denominator). It is too high for few samples: compare only figures of the same N.

    References:
        The Frechet distance between multivariate normal distributions (Dowson & Landau, 1982),
            https://doi.org/10.1016/0047-259X(82)90077-X
        GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et
            al., 2017), https://arxiv.org/abs/1706.08500, with other features

    Args:
        samples: Features, shape `(N, F)`.
        real: Features, shape `(M, F)`.
        counts: How often each sample occurs, shape `(R, N)`; each row sums to N.
    """
    center = real.mean(0)
    covariance = real.T.cov()
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    shifted = samples - center
    found = []
    for row in counts:
        n = row.sum()
        mean = row @ shifted / n
        deviations = shifted - mean
        other = (deviations * row.unsqueeze(1)).T @ deviations / (n - 1)
        # the eigenvalues of C1 C2, from a symmetric matrix
        cross = torch.linalg.eigvalsh(root @ other @ root).clamp(min=0).sqrt().sum()
        found.append(mean.square().sum() + covariance.trace() + other.trace() - 2 * cross)
    return torch.stack(found).clamp(min=0)


def frechet_estimate(samples: Tensor, real: Tensor, generator: torch.Generator) -> Estimate:
    """The Frechet distance, see `frechet_distances`; the interval is that of resampled samples."""
    return bootstrap(
        lambda counts: frechet_distances(samples, real, counts), len(samples), generator
    )


class Neighbourhoods(NamedTuple):
    """Terms of precision, recall, density and coverage, which are their means.

    Attributes:
        precision: Whether each sample lies in the ball of a real image, shape `(N,)`.
        recall: Whether each real image lies in the ball of a sample, shape `(M,)`.
        density: Number of balls of real images that hold each sample, over k, shape `(N,)`.
        coverage: Whether the ball of each real image holds a sample, shape `(M,)`.
    """

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def neighbourhoods(samples: Tensor, real: Tensor, k: int = NEIGHBOURS) -> Neighbourhoods:
    """Where samples and real images lie among each other.

    The ball of an image reaches to its k-th nearest neighbour in its own set, and holds that.

    References:
        Improved Precision and Recall Metric for Assessing Generative Models (Kynkaanniemi et al.,
            2019), https://arxiv.org/abs/1904.06991
        Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020),
            https://arxiv.org/abs/2002.09797, for density and coverage

    Args:
        samples: Features, shape `(N, F)`.
        real: Features, shape `(M, F)`.
        k: Less than N and M.
    """
    real_radii = _squared_radii(real, k)
    sample_radii = _squared_radii(samples, k)
    held = []
    recalled = torch.zeros(len(real), dtype=torch.bool)
    covered = torch.zeros(len(real), dtype=torch.bool)
    for rows, squares in _distance_blocks(samples, real):
        inside = squares <= real_radii
        held.append(inside.sum(1))
        covered |= inside.any(0)
        recalled |= (squares <= sample_radii[rows].unsqueeze(1)).any(0)
    balls = torch.cat(held)
    return Neighbourhoods(balls > 0, recalled, balls.double() / k, covered)


def _squared_radii(points: Tensor, k: int) -> Tensor:
    """Squared distance of each point, shape `(N, F)`, to its k-th nearest other: `(N,)`."""
    radii = []
    for rows, squares in _distance_blocks(points, points):
        squares[torch.arange(len(squares)), torch.arange(rows.start, rows.stop)] = math.inf
        radii.append(squares.topk(k, dim=1, largest=False).values[:, -1])
    return torch.cat(radii)


def _distance_blocks(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Rows of a, shape `(N, F)`, and their squared distances to b, shape `(rows, len(b))`."""
    norms = b.square().sum(1)
    size = max(1, MAX_DISTANCES // len(b))
    for start in range(0, len(a), size):
        part = a[start : start + size]
        squares = part.square().sum(1, keepdim=True) + norms - 2 * part @ b.T
        yield slice(start, start + len(part)), squares.clamp_(min=0)


def class_distance(features: Tensor, classes: Tensor, generator: torch.Generator) -> Estimate:
    """The mean distance of two images of one class, averaged over the classes.

    Classes with fewer than two images are left out; NaN if all are. The interval is that of images
    resampled within each class.

    Args:
        features: Shape `(N, F)`.
        classes: Shape `(N,)`.
        generator: Draws the resamples.
    """
    values = []
    resampled = []
    for label in classes.unique():
        points = features[classes == label]
        pairs = len(points) * (len(points) - 1)
        if pairs:
            once = torch.ones(1, len(points), dtype=torch.float64)
            counts = torch.cat([once, resample(len(points), generator)])
            sums = torch.zeros(len(counts), dtype=torch.float64)
            for rows, squares in _distance_blocks(points, points):
                sums += ((counts @ squares.sqrt().T) * counts[:, rows]).sum(1)
            values.append(sums[0] / pairs)
            resampled.append(sums[1:] / pairs)
    if not values:
        return Estimate(math.nan, math.nan, math.nan, len(features))
    value = torch.stack(values).mean().item()
    return around(value, torch.stack(resampled).mean(0), len(features))


def nearest_distances(
    x: Tensor, others: Images, on_progress: Callable[[int], object] = lambda _: None
) -> Tensor:
    """The Euclidean distance of images to the nearest of others, in pixels, shape `(N,)`.

    The nearest is sought in float32, because float64 takes twice the time; its distance is then
    computed in float64. An error occurs only between two that are equally near to about 1e-6.

    Args:
        x: Images in [0, 1], shape `(N, C, H, W)`.
        others: Images, read in grey.
        on_progress: Called with 1 after each of `NEAREST_PARTS` parts of the others.
    """
    flat = x.flatten(1).float()
    lowest = torch.full((len(flat),), math.inf)
    nearest = torch.zeros(len(flat), dtype=torch.int64)
    size = math.ceil(len(others) / NEAREST_PARTS)
    for start in range(0, NEAREST_PARTS * size, size):
        pixels = _flat_pixels(others, slice(start, start + size))
        if len(pixels):
            for rows, squares in _distance_blocks(flat, pixels):
                found, index = squares.min(1)
                closer = found < lowest[rows]
                lowest[rows] = torch.where(closer, found, lowest[rows])
                nearest[rows] = torch.where(closer, index + start, nearest[rows])
        on_progress(1)
    return torch.cat(
        [
            (part.double() - _flat_pixels(others, index).double()).norm(dim=1)
            for part, index in zip(flat.split(1000), nearest.split(1000), strict=True)
        ]
    )


def _flat_pixels(images: Images, index: Tensor | slice) -> Tensor:
    """The images at `index` as grey pixels in [0, 1], shape `(B, C H W)`."""
    return images.x[index].flatten(1).float() / 255
