"""Latents as points of a plane, coloured by label."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ..evaluation.prior_density import PriorContours
from ..evaluation.projection import Plane
from .class_texts import ClassText, class_text
from .label_places import find_places
from .style import COLORS, encode_figure, printable, style_axes, style_legend
from .themes import LIGHT, Theme

UNLABELLED = -1
MAX_LEGEND_CLASSES = 50  # more do not fit; their numbers are still in the map
CLASSES_PER_COLUMN = 25  # in the legend
MAX_NAMED_CLASSES = 200  # likewise, if they have names
MAX_MAP_NAMES = 20  # of more classes the map has the numbers, and the legend number and name
NAMES_PER_COLUMN = 50  # of the legend, then
SHORT = 3  # characters: so short a name is as good as a number
MAP_CHARACTERS = 16  # of a class name in the map
LEGEND_CHARACTERS = 28
MARKERS = "o^sDvP*X"  # ten classes each: there are ten colours
LABEL_DISTANCE = 0.04  # least distance of two class names, as a fraction of the axis
LETTER_WIDTH = 0.008  # likewise, for each letter of the longest
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
            printed in each of its clusters; points of the label -1 have none.
        title: Printed above the map.
        ending: One of `style.ENDINGS`.
        names: The name of each class; by default its number. Long names are shortened; of more
            than `MAX_MAP_NAMES` classes they are in the legend only, beside the numbers.
        contours: Of the prior, drawn below the points.
        theme: Colours of everything but the points.
    """
    known = dict(enumerate(names or ()))
    classes = [int(label) for label in np.unique(labels)]
    legend = _legend_texts(classes, known)
    size = (8.4 + _extra_width(legend), 7)
    figure = Figure(figsize=size, layout="constrained", facecolor=theme.background)
    axes = figure.subplots()
    _draw_points(axes, plane.points, labels, classes, theme)
    _print_classes(axes, plane.points, labels, _map_texts(classes, known), theme)
    axes.set(title=printable(title), xlabel=plane.axes[0], ylabel=plane.axes[1])
    axes.title.set_parse_math(False)  # a $ in a path starts no formula
    _scale_axes(axes, plane)
    style_axes(axes, theme)
    if legend:
        _add_legend(figure, legend, len(labels), theme)
    if contours:
        _draw_contours(figure, contours, theme)
    return encode_figure(figure, ending)


def _draw_points(
    axes: Axes,
    points: NDArray[np.float64],
    labels: NDArray[np.integer],
    classes: Sequence[int],
    theme: Theme,
) -> None:
    """The points of each class; the more there are, the smaller."""
    area = _dot_area(len(points))
    for label in classes:
        marker = MARKERS[label // len(COLORS) % len(MARKERS)]
        color = COLORS[label % len(COLORS)]
        if label == UNLABELLED:
            marker = MARKERS[0]
            color = theme.foreground
        x, y = points[labels == label].T
        axes.scatter(
            x,
            y,
            s=area,
            marker=marker,
            color=color,
            alpha=0.75,
            lw=0,
            label=str(label),
        )


def _print_classes(
    axes: Axes,
    points: NDArray[np.float64],
    labels: NDArray[np.integer],
    texts: Mapping[int, ClassText],
    theme: Theme,
) -> None:
    """The name of each class in each of its clusters."""
    labelled = labels != UNLABELLED
    if not labelled.any():
        return
    extent = np.ptp(points, axis=0)
    points = points[labelled]
    labels = labels[labelled]
    where, places = find_places(points, labels)
    halo = [withStroke(linewidth=4, foreground=theme.background)]
    longest = _longest(texts)
    size = 15
    if longest > SHORT:
        size = 11
    distance = np.array([max(LABEL_DISTANCE, longest * LETTER_WIDTH), LABEL_DISTANCE])
    spread = spread_labels(places, distance * extent)
    for label, place in zip(where, spread, strict=True):
        font = FontProperties(family=texts[label].family, size=size, weight="bold")
        axes.annotate(
            texts[label].text,
            place,
            fontproperties=font,
            ha="center",
            va="center",
            color=theme.foreground,
            path_effects=halo,
            parse_math=False,
        )


def _map_texts(classes: Sequence[int], names: Mapping[int, str]) -> dict[int, ClassText]:
    """What the map prints for each class."""
    if _are_many(classes, names):
        names = {}
    return {label: class_text(label, names.get(label), MAP_CHARACTERS) for label in classes}


def _legend_texts(classes: Sequence[int], names: Mapping[int, str]) -> dict[int, ClassText]:
    """What the legend prints for each class; empty if there is none."""
    most = MAX_NAMED_CLASSES if names else MAX_LEGEND_CLASSES
    if len(classes) > most or classes == [UNLABELLED]:
        return {}
    texts = {label: class_text(label, names.get(label), LEGEND_CHARACTERS) for label in classes}
    if names and _are_many(classes, names):
        texts = {n: found._replace(text=f"{n} {found.text}") for n, found in texts.items()}
    if UNLABELLED in texts:
        texts[UNLABELLED] = ClassText("none")
    return texts


def _are_many(classes: Sequence[int], names: Mapping[int, str]) -> bool:
    """Whether the names of the classes are too many for the map."""
    if all(len(names.get(label, "")) <= SHORT for label in classes):
        return len(classes) > MAX_LEGEND_CLASSES
    return len(classes) > MAX_MAP_NAMES


def _legend_layout(texts: Mapping[int, ClassText]) -> tuple[int, float]:
    """Number of columns of the legend, and its size of letters in points."""
    if _longest(texts) <= SHORT or len(texts) <= MAX_MAP_NAMES:
        return 1 + len(texts) // CLASSES_PER_COLUMN, 10
    return math.ceil(len(texts) / NAMES_PER_COLUMN), 6.5


def _extra_width(texts: Mapping[int, ClassText]) -> float:
    """The width that the names in the legend need beyond that of numbers, in inches."""
    columns, size = _legend_layout(texts)
    return columns * max(0, _longest(texts) - SHORT) * size * 0.0085


def _longest(texts: Mapping[int, ClassText]) -> int:
    """Characters of the longest of the texts."""
    return max((len(found.text) for found in texts.values()), default=0)


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


def _add_legend(figure: Figure, texts: Mapping[int, ClassText], count: int, theme: Theme) -> None:
    columns, size = _legend_layout(texts)
    more: dict[str, Any] = {}
    if size < 10:
        more = {"labelspacing": 0.2, "columnspacing": 1, "handletextpad": 0.2}
    legend = figure.legend(
        loc="outside right upper",
        title="label",
        markerscale=np.sqrt(LEGEND_DOT_AREA / _dot_area(count)),
        frameon=False,
        ncols=columns,
        fontsize=size,
        **more,
    )
    # set here: matplotlib leaves out of a legend what begins with an underscore
    for entry, found in zip(legend.get_texts(), texts.values(), strict=True):
        entry.set_text(found.text)
        entry.set_fontproperties(FontProperties(family=found.family, size=size))
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
