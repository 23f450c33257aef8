"""Latents as points of a plane, coloured by label."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from .style import COLORS, encode_figure, printable, style_axes, style_legend
from .themes import LIGHT, Theme

MAX_LEGEND_CLASSES = 50  # more do not fit; their numbers are still in the map
CLASSES_PER_COLUMN = 25  # in the legend
MARKERS = "o^sDvP*X"  # ten classes each: there are ten colours
LABEL_DISTANCE = 0.04  # least distance of two class numbers, as a fraction of the axis


def plot_latents(
    points: NDArray[np.float64],
    axis_names: tuple[str, str],
    labels: NDArray[np.integer],
    title: str,
    ending: str = ".png",
    theme: Theme = LIGHT,
) -> bytes:
    """A map of latents, as the content of a file.

    Args:
        points: Shape `(N, 2)`.
        axis_names: Names of the two axes.
        labels: Classes from 0, shape `(N,)`. Each has a colour and a marker, and its number is
            printed at its median point.
        title: Printed above the map.
        ending: One of `style.ENDINGS`.
        theme: Colours of everything but the points.
    """
    figure = Figure(figsize=(8.4, 7), layout="constrained", facecolor=theme.background)
    axes = figure.subplots()
    classes = np.unique(labels)
    for label in classes:
        x, y = points[labels == label].T
        axes.scatter(
            x,
            y,
            s=7,
            marker=MARKERS[label // len(COLORS) % len(MARKERS)],
            color=COLORS[label % len(COLORS)],
            alpha=0.75,
            lw=0,
            label=str(label),
        )
    centers = np.array([np.median(points[labels == label], axis=0) for label in classes])
    places = spread_labels(centers, LABEL_DISTANCE * np.ptp(points, axis=0))
    halo = [withStroke(linewidth=3, foreground=theme.background)]
    for label, place in zip(classes, places, strict=True):
        number = axes.annotate(str(label), place, size=15, weight="bold", ha="center")
        number.set(color=theme.foreground, path_effects=halo)
    axes.set(title=printable(title), xlabel=axis_names[0], ylabel=axis_names[1])
    axes.title.set_parse_math(False)  # a $ in a path starts no formula
    style_axes(axes, theme)
    if len(classes) <= MAX_LEGEND_CLASSES:
        legend = figure.legend(
            loc="outside right upper",
            title="label",
            markerscale=3,
            frameon=False,
            ncols=1 + len(classes) // CLASSES_PER_COLUMN,
        )
        style_legend(legend, theme)
    return encode_figure(figure, ending)


def spread_labels(
    points: NDArray[np.float64], distance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The points, shape `(N, 2)`; those too near to each other are moved apart.

    Args:
        points: Shape `(N, 2)`.
        distance: Approximate least distance along x and y, shape `(2,)`.
    """
    unit = np.where(distance > 0, distance, 1)
    moved = points / unit
    moved = moved + 1e-3 * np.arange(len(points))[:, None]  # so that equal points move apart too
    for _ in range(100):
        offsets = moved[:, None] - moved
        lengths = np.linalg.norm(offsets, axis=-1)
        is_near = (lengths < 1) & (lengths > 0)
        pushes = np.where(is_near, (1 - lengths) / np.maximum(lengths, 1e-9), 0)
        moved = moved + 0.25 * (pushes[..., None] * offsets).sum(1)
    return moved * unit
