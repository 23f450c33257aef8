"""Curves of the losses per epoch."""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .style import COLORS, _encode, _printable, _soften

STYLES = {"train": "--", "valid": ":", "test": "-"}


Curves = Mapping[str, Sequence[float]]


def losses(runs: Mapping[str, Curves], ending: str = ".png") -> bytes:
    """Loss, distortion and rate per epoch: dashed in training, solid on the test images.

    Dotted on the validation images, where there are any.

    Args:
        runs: For each run's name its columns of losses.csv, without those of seconds.
        ending: One of `ENDINGS`.
    """
    figure = Figure(figsize=(12, 4.2))
    there = {split for split in STYLES for run in runs.values() if f"{split}_loss" in run}
    styles = {split: style for split, style in STYLES.items() if split in there}
    for axes, term in zip(figure.subplots(1, 3), ("loss", "distortion", "rate"), strict=True):
        for color, curves in zip(cycle(COLORS), runs.values(), strict=False):
            for split, style in styles.items():
                if f"{split}_{term}" in curves:
                    means = curves[f"{split}_{term}"]
                    axes.plot(curves["epoch"], means, style, color=color, **_dots(curves))
        axes.set(title=term, xlabel="epoch", ylabel="nats per image")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        _soften(axes)
    lines = [Line2D([], [], color="black", ls=ls, label=split) for split, ls in styles.items()]
    names = [
        Line2D([], [], color=c, label=_printable(n))
        for c, n in zip(cycle(COLORS), runs, strict=False)
    ]
    # A constrained layout would find these margins by drawing all text twice: 0.2 s.
    below = 0.65 + 0.22 * math.ceil(len(lines + names) / 4)  # inches
    figure.set_figheight(3.3 + below)
    figure.subplots_adjust(0.075, below / (3.3 + below), 0.99, 0.92, wspace=0.3)
    legend = figure.legend(handles=[*lines, *names], loc="lower center", ncols=4, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a $ in a path is no formula
    return _encode(figure, ending)


def _dots(curves: Curves) -> dict[str, str]:
    """A short run is drawn with dots: one epoch alone would be no line."""
    return {"marker": "."} if len(curves["epoch"]) < 20 else {}
