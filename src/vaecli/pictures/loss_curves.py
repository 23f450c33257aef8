"""Curves of the losses per epoch."""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .style import COLORS, encode_figure, printable, style_axes

TERMS = ("loss", "distortion", "rate")  # one panel for each
LINE_STYLES = {"train": "--", "valid": ":", "test": "-"}
LEGEND_COLUMNS = 4
PANEL_HEIGHT = 3.3  # inches
MAX_MARKED_EPOCHS = 20  # shorter curves have a dot at every epoch: one epoch makes no line

Curves = Mapping[str, Sequence[float]]


def plot_losses(runs: Mapping[str, Curves], ending: str = ".png") -> bytes:
    """Loss, distortion and rate per epoch, in nats per image, as the content of a file.

    Training losses are dashed, test losses solid, and validation losses, if any, dotted.

    Args:
        runs: The columns of losses.csv (epoch, train_loss and so on) of each run, by its name.
        ending: One of `style.ENDINGS`.
    """
    splits = [
        split for split in LINE_STYLES if any(f"{split}_loss" in curves for curves in runs.values())
    ]
    figure = Figure(figsize=(12, 4.2))
    for axes, term in zip(figure.subplots(1, len(TERMS)), TERMS, strict=True):
        for color, curves in zip(cycle(COLORS), runs.values(), strict=False):
            for split in splits:
                _plot_curve(axes, curves, split, term, color)
        axes.set(title=term, xlabel="epoch", ylabel="nats per image")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        style_axes(axes)
    _add_legend(figure, splits, list(runs))
    return encode_figure(figure, ending)


def _plot_curve(axes: Axes, curves: Curves, split: str, term: str, color: str) -> None:
    """Plot one column of a run, if it has this column."""
    means = curves.get(f"{split}_{term}")
    if means is None:
        return
    epochs = curves["epoch"]
    marker = "." if len(epochs) < MAX_MARKED_EPOCHS else ""
    axes.plot(epochs, means, LINE_STYLES[split], color=color, marker=marker)


def _add_legend(figure: Figure, splits: Sequence[str], runs: Sequence[str]) -> None:
    """Add a legend below the panels: a line style per split, a colour per run."""
    handles = [
        Line2D([], [], color="black", ls=LINE_STYLES[split], label=split) for split in splits
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
    for text in legend.get_texts():
        text.set_parse_math(False)  # a $ in a path starts no formula
