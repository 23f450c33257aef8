"""Latents as points of a plane, coloured by label."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ..evaluation.prior_density import PriorContours
from ..evaluation.projection import Plane
from .label_places import find_places
from .style import COLORS, encode_figure, printable, style_axes, style_legend
from .themes import LIGHT, Theme

MAX_LEGEND_CLASSES = 50  # more do not fit; their numbers are still in the map
CLASSES_PER_COLUMN = 25  # in the legend
MARKERS = "o^sDvP*X"  # ten classes each: there are ten colours
LABEL_DISTANCE = 0.04  # least distance of two class names, as a fraction of the axis
DOT_AREAS = (3.0, 16.0)  # least and largest area of a dot, in square points
DOTS_AREA = 60_000.0  # of all dots together, if each has an area between these two
LEGEND_DOT_AREA = 60.0
# Of the contours, the outermost first.
LINES: tuple[Literal["dotted", "dashed", "solid"], ...] = ("dotted", "dashed", "solid")


def plot_latents(
    plane: Plane,
    labels: NDArray[np.integer],
    title: str,
    ending: str = ".png",
    names: Sequence[str] | None = None,
    contours: PriorContours | None = None,
    theme: Theme = LIGHT,
) -> bytes:
    """A map of latents, as the content of a file.

    Args:
        plane: Points and what the axes are. Those of t-SNE have no numbers, as they have no unit.
        labels: Classes from 0, shape `(N,)`. Each has a colour and a marker, and its name is
            printed in each of its clusters.
        title: Printed above the map.
        ending: One of `style.ENDINGS`.
        names: The name of each class; by default its number.
        contours: Of the prior, drawn below the points.
        theme: Colours of everything but the points.
    """
    figure = Figure(figsize=(8.4, 7), layout="constrained", facecolor=theme.background)
    axes = figure.subplots()
    classes = np.unique(labels)
    texts = {label: printable(names[label] if names else str(label)) for label in classes}
    _draw_points(axes, plane.points, labels, texts)
    where, places = find_places(plane.points, labels)
    halo = [withStroke(linewidth=4, foreground=theme.background)]
    for label, place in zip(
        where, spread_labels(places, LABEL_DISTANCE * np.ptp(plane.points, axis=0)), strict=True
    ):
        axes.annotate(
            texts[label],
            place,
            size=15,
            weight="bold",
            ha="center",
            va="center",
            color=theme.foreground,
            path_effects=halo,
            parse_math=False,
        )
    axes.set(title=printable(title), xlabel=plane.axes[0], ylabel=plane.axes[1])
    axes.title.set_parse_math(False)  # a $ in a path starts no formula
    _scale_axes(axes, plane)
    style_axes(axes, theme)
    if len(classes) <= MAX_LEGEND_CLASSES:
        _add_legend(figure, len(classes), len(labels), theme)
    if contours:
        _draw_contours(figure, contours, theme)
    return encode_figure(figure, ending)


def _draw_points(
    axes: Axes,
    points: NDArray[np.float64],
    labels: NDArray[np.integer],
    texts: dict[int, str],
) -> None:
    """The points of each class; the more there are, the smaller."""
    area = _dot_area(len(points))
    for label, text in texts.items():
        x, y = points[labels == label].T
        axes.scatter(
            x,
            y,
            s=area,
            marker=MARKERS[label // len(COLORS) % len(MARKERS)],
            color=COLORS[label % len(COLORS)],
            alpha=0.75,
            lw=0,
            label=text,
        )


def _draw_contours(figure: Figure, contours: PriorContours, theme: Theme) -> None:
    """Lines below the points, and what each of them encloses."""
    lines = LINES[-len(contours.levels) :]
    figure.axes[0].contour(
        contours.x,
        contours.y,
        contours.log_density,
        levels=contours.levels,
        linestyles=lines,
        colors=theme.foreground,
        linewidths=0.9,
        alpha=0.7,
        zorder=0.9,
    )
    handles = [
        Line2D(
            [], [], color=theme.foreground, linewidth=0.9, linestyle=line, label=f"{100 * mass:g} %"
        )
        for line, mass in zip(lines, contours.masses, strict=True)
    ]
    legend = figure.legend(
        handles=handles, loc="outside right lower", title="prior mass\ninside", frameon=False
    )
    style_legend(legend, theme)


def _scale_axes(axes: Axes, plane: Plane) -> None:
    """The same scale along both axes, unless one of them has no extent; no numbers for t-SNE."""
    if np.ptp(plane.points, axis=0).all():
        axes.set_aspect("equal", adjustable="datalim")
    if plane.method == "tsne":
        axes.set(xticks=[], yticks=[])
    elif not plane.axes[1]:
        axes.set(yticks=[])


def _dot_area(count: int) -> float:
    return float(np.clip(DOTS_AREA / count, *DOT_AREAS))


def _add_legend(figure: Figure, classes: int, count: int, theme: Theme) -> None:
    legend = figure.legend(
        loc="outside right upper",
        title="label",
        markerscale=np.sqrt(LEGEND_DOT_AREA / _dot_area(count)),
        frameon=False,
        ncols=1 + classes // CLASSES_PER_COLUMN,
    )
    style_legend(legend, theme)


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
