"""Latents coloured by label."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ..evaluation.projection import plane
from .style import COLORS, _encode, _printable, _soften

LEGEND = 50  # classes at most that a legend has room for; their numbers are drawn anyway


MARKERS = "o^sDvP*X"  # the next ten classes take the next marker


def latents(
    z: NDArray[np.float32], labels: NDArray[np.integer], title: str, ending: str = ".png"
) -> bytes:
    """Latents coloured by label.

    Args:
        z: Posterior means, shape `(N, D)`: drawn as they are if D is 1 or 2, else in the plane of
            their first two principal components.
        labels: Classes from 0, shape `(N,)`.
        title: Printed above.
        ending: One of `ENDINGS`.
    """
    points, names = plane(z)
    figure = Figure(figsize=(8.4, 7), layout="constrained")
    axes = figure.subplots()
    for label in np.unique(labels):
        across, up = points[labels == label].T
        color, marker = COLORS[label % len(COLORS)], MARKERS[label // len(COLORS) % len(MARKERS)]
        axes.scatter(
            across, up, s=7, marker=marker, color=color, alpha=0.75, lw=0, label=str(label)
        )
    classes = np.unique(labels)
    centers = np.array([np.median(points[labels == label], axis=0) for label in classes])
    halo = [withStroke(linewidth=3, foreground="white")]
    for label, center in zip(classes, apart(centers, 0.04 * np.ptp(points, axis=0)), strict=True):
        axes.annotate(str(label), center, size=15, weight="bold", ha="center", path_effects=halo)
    axes.set(title=_printable(title), xlabel=names[0], ylabel=names[1])
    axes.title.set_parse_math(False)
    _soften(axes)
    if len(classes) <= LEGEND:
        columns = 1 + len(classes) // 25
        figure.legend(
            loc="outside right upper", title="label", markerscale=3, frameon=False, ncols=columns
        )
    return _encode(figure, ending)


def apart(points: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points, shape `(N, 2)`, pushed apart to about `distance` in x or y, shape `(2,)`."""
    unit = np.where(distance > 0, distance, 1)
    moved = points / unit
    moved = moved + 1e-3 * np.arange(len(points))[:, None]  # coinciding points part too
    for _ in range(100):
        gaps = moved[:, None] - moved
        lengths = np.linalg.norm(gaps, axis=-1)
        close = (lengths < 1) & (lengths > 0)
        pushes = np.where(close, (1 - lengths) / np.maximum(lengths, 1e-9), 0)
        moved = moved + 0.25 * (pushes[..., None] * gaps).sum(1)
    return moved * unit
