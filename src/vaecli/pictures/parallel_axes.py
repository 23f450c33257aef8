"""Trials as lines across parallel axes: one for each searched option, and the loss as the last."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap

from .option_axes import OptionAxis, even_ticks
from .style import add_note
from .themes import DARK, Theme
from .trial_losses import Trial, best_trial, loss_of, loss_range

LEFT, RIGHT = 0.55, 0.95  # inches, for what is outside of the first and the last axis
STRIP = 0.1  # inches, of the colours beside the last axis
TICK = 4  # points
FAINTEST = 0.9  # of the colours: the rest can hardly be seen on the background
MANY = 60  # so many lines would hide each other: the worse a trial, the fainter is its line


def draw_parallel(
    axes: Axes, trials: Sequence[Trial], options: Sequence[OptionAxis], metric: str, theme: Theme
) -> None:
    """A line for each trial, through the values of its options to its loss.

    The colour is that of the loss too. The best trial is the thickest line; trials that were
    pruned are dashed, and those without a loss are dotted and end before the last axis.

    Args:
        axes: Where it is drawn.
        trials: Of one study.
        options: The axes from left to right, before that of the loss.
        metric: loss, distortion or negative ELBO.
        theme: Colours of everything but the lines.
    """
    limits = loss_range(trials)
    colors = loss_colors(theme)
    last = len(options)
    inch = _units_per_inch(axes, last)
    axes.set(xlim=(-LEFT * inch, last + RIGHT * inch), ylim=(-0.06, 1.06))
    axes.set_axis_off()
    best = best_trial(trials)
    for trial in sorted(trials, key=_worst_first):
        style = _line_style(trial, limits, colors, theme)
        if trial is best:
            style |= {"linewidth": 3.5, "alpha": 0.9, "zorder": 3}
        elif len(trials) > MANY:
            style["alpha"] = _faint(trial, limits)
        places = _places(trial, options, limits)
        axes.plot(range(len(places)), places, marker=".", markersize=4, **style)
    for number, option in enumerate(options):
        _draw_axis(axes, number, option.ticks(), option.title, theme)
    title = f"validation\n{metric}"
    _draw_axis(axes, last, _loss_ticks(trials, limits), title, theme, 72 * STRIP)
    if limits is not None and limits[0] < limits[1]:
        strip = np.linspace(0, 1, 256)[:, None]
        extent = (last, last + STRIP * inch, 0, 1)
        axes.imshow(strip, cmap=colors, aspect="auto", origin="lower", extent=extent, zorder=1)


def _units_per_inch(axes: Axes, last: int) -> float:
    """Distances between two axes in an inch, if the first is at 0 and the last at `last`."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    width = axes.get_position().width * figure.get_figwidth()
    return last / (width - LEFT - RIGHT)


def loss_colors(theme: Theme) -> Colormap:
    """The colours from the best loss to the worst, the best in the strongest contrast."""
    ends = (0.0, FAINTEST)
    if theme == DARK:
        ends = (1.0, 1 - FAINTEST)
    return ListedColormap(colormaps["viridis"](np.linspace(*ends, 256)))


def _worst_first(trial: Trial) -> tuple[bool, float]:
    """The order in which lines are drawn: those without a loss first, the best on top."""
    loss = loss_of(trial)
    if math.isnan(loss):
        return False, 0.0
    return True, -loss


def _places(
    trial: Trial, options: Sequence[OptionAxis], limits: tuple[float, float] | None
) -> list[float]:
    """Where the line of a trial crosses each axis; a trial without a loss lacks the last."""
    places = [option.place(trial.options.get(option.name)) for option in options]
    loss = loss_of(trial)
    if limits is not None and not math.isnan(loss):
        places.append(loss_place(loss, limits))
    return places


def _line_style(
    trial: Trial, limits: tuple[float, float] | None, colors: Colormap, theme: Theme
) -> dict[str, Any]:
    """Colour and dashes of the line of a trial."""
    loss = loss_of(trial)
    if limits is None or math.isnan(loss):
        return {"color": theme.grid, "linestyle": ":", "linewidth": 1.2}
    return {
        "color": colors(loss_place(loss, limits)),
        "linestyle": "--" if trial.state == "pruned" else "-",
        "linewidth": 1.3,
        "alpha": 0.9,
    }


def _faint(trial: Trial, limits: tuple[float, float] | None) -> float:
    """Opacity of a line among many."""
    loss = loss_of(trial)
    if limits is None or math.isnan(loss):
        return 0.4
    return 0.7 - 0.5 * loss_place(loss, limits)


def loss_place(loss: float, limits: tuple[float, float]) -> float:
    """Where a loss lies from 0 to 1; beyond the limit, at the upper end."""
    bottom, top = limits
    if bottom == top:
        return 0.0
    return min(1.0, (loss - bottom) / (top - bottom))


def _loss_ticks(
    trials: Sequence[Trial], limits: tuple[float, float] | None
) -> list[tuple[float, str]]:
    """Round losses; the upper end says if it stands for greater losses too."""
    if limits is None:
        return []
    values = even_ticks(*limits)
    ticks = [(loss_place(value, limits), f"{value:.6g}") for value in values]
    if any(loss_of(trial) > limits[1] for trial in trials):
        below = [(place, text) for place, text in ticks if place < 0.93]
        return [*below, (1.0, f"≥ {limits[1]:.4g}")]
    return ticks


def _draw_axis(
    axes: Axes,
    at: float,
    ticks: Sequence[tuple[float, str]],
    title: str,
    theme: Theme,
    beside: float = 0,
) -> None:
    """A vertical line with ticks, their texts to the right, and a title above.

    Args:
        axes: Where it is drawn.
        at: Number of the axis, from 0.
        ticks: Place and text of each.
        title: Name of the axis.
        theme: Colours.
        beside: Points to leave between the line and the texts.
    """
    color = theme.foreground
    axes.plot([at, at], [0, 1], color=color, linewidth=1, zorder=4)
    places = [place for place, _ in ticks]
    axes.plot([at] * len(ticks), places, color=color, marker=0, markersize=TICK, ls="", zorder=4)
    for place, text in ticks:
        add_note(axes, text, (at, place), (TICK + beside, -3), "left", theme)
    axes.text(at, 1.09, title, ha="center", color=color, fontsize=9.5, parse_math=False)
