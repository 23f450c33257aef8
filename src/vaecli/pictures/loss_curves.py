"""Curves of the losses per epoch."""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from .loss_ranges import last_return, visible_range
from .style import COLORS, add_note, encode_figure, printable, ring_point, style_axes, style_legend
from .themes import LIGHT, Theme

TERMS = ("loss", "distortion", "rate")  # one panel for each
LINE_STYLES = {"train": "--", "valid": ":", "test": "-"}
LEGEND_COLUMNS = 4
PANEL_HEIGHT = 3.3  # inches
MAX_MARKED_EPOCHS = 20  # shorter curves have a dot at every epoch: one epoch makes no line
EDGE = 0.15  # of the width: a note so near to a side is on the inner side of its point

Curves = Mapping[str, Sequence[float]]


def plot_losses(runs: Mapping[str, Curves], ending: str = ".png", theme: Theme = LIGHT) -> bytes:
    """Loss, distortion and rate per epoch, in nats per image, as the content of a file.

    Training losses are dashed, test losses solid, and validation losses, if any, dotted. The best
    validation epoch is marked. Late epochs take most of the height: where early ones lie outside,
    a triangle and a note say where, and how far.

    Args:
        runs: The columns of losses.csv (epoch, train_loss and so on) of each run, by its name.
        ending: One of `style.ENDINGS`.
        theme: Colours of everything but the curves.
    """
    splits = [
        split for split in LINE_STYLES if any(f"{split}_loss" in curves for curves in runs.values())
    ]
    colored = list(zip(cycle(COLORS), runs.values(), strict=False))
    figure = Figure(figsize=(12, 4.2), facecolor=theme.background)
    for axes, term in zip(figure.subplots(1, len(TERMS)), TERMS, strict=True):
        for color, curves in colored:
            for split in splits:
                _plot_curve(axes, curves, split, term, color)
        axes.set(title=term, xlabel="epoch", ylabel="nats per image")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        style_axes(axes, theme)
        bests = [(best_epoch(curves, term), color) for color, curves in colored]
        _limit_height(axes, [best[1] for best, _ in bests if best], theme)
        for best, color in bests:
            if best:
                _mark_best(axes, best, color, theme)
    _add_legend(figure, splits, list(runs), theme)
    return encode_figure(figure, ending)


def best_epoch(curves: Curves, term: str) -> tuple[float, float] | None:
    """The best validation epoch and its value, as `early_stopping.best_epoch` finds it.

    None without a validation set, or if another term decides: the distortion of an objective with a
    discriminator, whose loss does not measure quality, and the loss of any other.
    """
    monitor = "distortion" if "valid_discriminator_loss" in curves else "loss"
    column = curves.get(f"valid_{term}")
    if term != monitor or column is None:
        return None
    points = zip(column, curves["epoch"], strict=True)
    value, epoch = min((p for p in points if math.isfinite(p[0])), default=(math.nan, math.nan))
    return None if math.isnan(value) else (epoch, value)


def _plot_curve(axes: Axes, curves: Curves, split: str, term: str, color: str) -> None:
    """Plot one column of a run, if it has this column."""
    means = curves.get(f"{split}_{term}")
    if means is None:
        return
    epochs = curves["epoch"]
    marker = "." if len(epochs) < MAX_MARKED_EPOCHS else ""
    axes.plot(epochs, means, LINE_STYLES[split], color=color, marker=marker)


def _limit_height(axes: Axes, always: Sequence[float], theme: Theme) -> None:
    """Give late epochs most of the height; mark and note where curves leave the panel."""
    limits = visible_range([_values(line.get_ydata()) for line in axes.lines], always)
    if limits is None:
        return
    bottom, top = limits
    axes.set_ylim(bottom, top)
    _mark_exits(axes, top, is_top=True, theme=theme)
    _mark_exits(axes, bottom, is_top=False, theme=theme)


def _mark_exits(axes: Axes, limit: float, is_top: bool, theme: Theme) -> None:
    """Mark where curves cross the top or the bottom, and note the farthest value beyond."""
    sign = 1 if is_top else -1
    places: list[float] = []
    beyond: list[tuple[float, float]] = []
    for line in list(axes.lines):
        epochs = _values(line.get_xdata())
        heights = [sign * (value - limit) for value in _values(line.get_ydata())]
        place = last_return(epochs, heights)
        if place is not None:
            marker = "^" if is_top else "v"
            color = line.get_color()
            axes.scatter(place, limit, s=40, marker=marker, color=color, clip_on=False, zorder=4)
            places.append(place)
            beyond += zip(heights, epochs, strict=True)
    if places:
        height, epoch = max(point for point in beyond if math.isfinite(point[0]))
        text = f"{limit + sign * height:.4g} at epoch {epoch:.0f}"
        add_note(axes, text, (max(places), limit), (8, -9 if is_top else 4), "left", theme)


def _values(column: ArrayLike) -> list[float]:
    return [float(value) for value in np.asarray(column)]


def _mark_best(axes: Axes, point: tuple[float, float], color: str, theme: Theme) -> None:
    """A ring around the point of an epoch and its loss, and above it the number of the epoch."""
    ring_point(axes, point, color, theme)
    left, right = axes.get_xlim()
    place = (point[0] - left) / (right - left)
    align: Literal["left", "center", "right"] = "center"
    offset = (0, 9)
    if place < EDGE:
        align = "left"
        offset = (6, -14)  # below, where a curve that falls leaves room
    elif place > 1 - EDGE:
        align = "right"
    add_note(axes, f"best: epoch {point[0]:.0f}", point, offset, align, theme)


def _add_legend(figure: Figure, splits: Sequence[str], runs: Sequence[str], theme: Theme) -> None:
    """Add a legend below the panels: a line style per split, a colour per run."""
    handles = [
        Line2D([], [], color=theme.foreground, ls=LINE_STYLES[split], label=split)
        for split in splits
    ]
    handles += [
        Line2D([], [], color=color, label=printable(run))
        for color, run in zip(cycle(COLORS), runs, strict=False)
    ]
    # A constrained layout would find these margins by drawing all text twice: 0.2 s.
    legend_height = 0.65 + 0.22 * math.ceil(len(handles) / LEGEND_COLUMNS)  # inches
    height = PANEL_HEIGHT + legend_height
    figure.set_figheight(height)
    figure.subplots_adjust(
        left=0.075,
        bottom=legend_height / height,
        right=0.99,
        top=0.92,
        wspace=0.3,
    )
    legend = figure.legend(
        handles=handles,
        loc="lower center",
        ncols=LEGEND_COLUMNS,
        frameon=False,
    )
    style_legend(legend, theme)
