"""The picture of a study: its history, the importance of its options, and all trials."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .option_axes import OptionAxis
from .parallel_axes import draw_parallel
from .style import COLORS, add_note, encode_figure, ring_point, style_axes, style_legend
from .themes import LIGHT, Theme
from .trial_losses import Trial, best_trial, loss_of, loss_range, running_best

# Colour, marker and whether it is filled, of the trials of a state.
MARKS = {
    "completed": (COLORS[0], "o", True),
    "running": (COLORS[0], "o", False),
    "pruned": (COLORS[3], "v", False),
    "failed": (COLORS[2], "x", True),
}
EDGE = 0.15  # of the width: a note so near to a side is on the inner side of its point
FEW_BARS = 6  # so many have room for names in two lines of the larger font
# Inches:
LEAST_WIDTH = 11.0
AXIS_WIDTH = 1.4  # between two parallel axes
LETTER_WIDTH = 0.085  # of a name beside a bar
HEIGHT = 7.1
HISTORY_HEIGHT = 2.3
PARALLEL_HEIGHT = 2.8


def plot_tuning(
    trials: Sequence[Trial],
    options: Sequence[OptionAxis],
    importances: Mapping[str, float],
    metric: str = "loss",
    ending: str = ".png",
    theme: Theme = LIGHT,
    importance_epoch: int = 0,
) -> bytes:
    """History, importance and parallel coordinates of a study, as the content of a file.

    Args:
        trials: In any order and any state.
        options: The options that were searched, in the order of their axes.
        importances: Fraction of each option, from 0 to 1, by its name; empty if there are too few
            trials to tell.
        metric: What `value` of the trials is: loss, distortion or negative ELBO.
        ending: One of `style.ENDINGS`.
        theme: Colours of everything but the data.
        importance_epoch: The epoch after which `importances` compares the trials.
    """
    width = max(LEAST_WIDTH, AXIS_WIDTH * (len(options) + 1.5))
    figure = Figure(figsize=(width, HEIGHT), facecolor=theme.background)
    lines = [line for option in options for line in option.title.split("\n")]
    bars = 0.62 * width + 0.35 + LETTER_WIDTH * max(map(len, lines))
    bottom = HEIGHT - 0.5 - HISTORY_HEIGHT
    history = _add_panel(figure, 0.85, bottom, 0.62 * width - 1.1, HISTORY_HEIGHT)
    importance = _add_panel(figure, bars, bottom, width - bars - 0.6, HISTORY_HEIGHT)
    parallel = _add_panel(figure, 0.4, 0.1, width - 0.5, PARALLEL_HEIGHT)
    _draw_history(history, trials, metric, theme)
    _draw_importance(importance, options, importances, importance_epoch, theme)
    draw_parallel(parallel, trials, options, metric, theme)
    return encode_figure(figure, ending)


def _add_panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """A panel whose place and size are in inches."""
    whole_width, whole_height = figure.get_size_inches()
    return figure.add_axes(
        (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    )


def _draw_history(axes: Axes, trials: Sequence[Trial], metric: str, theme: Theme) -> None:
    """The loss of each trial by its number, and a line of the best so far.

    Trials without a loss lie at the upper edge, and so do those whose loss is far greater than the
    others, as triangles with a note.
    """
    axes.set(title="history", xlabel="trial", ylabel=f"validation {metric}, nats per image")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    style_axes(axes, theme)
    last = max([trial.number for trial in trials], default=0)
    side = max(0.6, 0.02 * last)
    axes.set_xlim(-side, last + side)
    limits = loss_range(trials)
    if limits is None:
        axes.set(yticks=[], ylim=(0, 1))
    else:
        margin = (limits[1] - limits[0]) or 1.0
        axes.set_ylim(limits[0] - 0.16 * margin, limits[1] + 0.12 * margin)
        _draw_best(axes, trials, last, theme)
    for state in MARKS:
        _scatter(axes, [trial for trial in trials if trial.state == state], limits, theme)
    if axes.get_legend_handles_labels()[1]:
        legend = axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=5, frameon=False, fontsize=9
        )
        style_legend(legend, theme)


def _draw_best(axes: Axes, trials: Sequence[Trial], last: int, theme: Theme) -> None:
    """The best loss so far as steps, and a ring around the best trial."""
    best = best_trial(trials)
    if best is None:
        return
    numbers, lowest = running_best(trials)
    axes.plot(
        [*numbers, last],
        [*lowest, lowest[-1]],
        drawstyle="steps-post",
        color=theme.foreground,
        linewidth=1.2,
        label="best so far",
    )
    point = (float(best.number), loss_of(best))
    ring_point(axes, point, MARKS["completed"][0], theme)
    place = best.number / max(1, last)
    align: Literal["left", "center", "right"] = "center"
    if place < EDGE:
        align = "left"
    elif place > 1 - EDGE:
        align = "right"
    add_note(axes, f"best: trial {best.number}, {loss_of(best):.2f}", point, (0, -15), align, theme)


def _scatter(
    axes: Axes, trials: Sequence[Trial], limits: tuple[float, float] | None, theme: Theme
) -> None:
    """The trials of a state."""
    ceiling = axes.get_ylim()[1]
    limit = math.inf
    if limits is not None:
        limit = limits[1]
    beyond = [trial for trial in trials if loss_of(trial) > limit]
    lost = [t for t in trials if math.isnan(loss_of(t)) and t.state != "running"]
    inside = [trial for trial in trials if loss_of(trial) <= limit]
    _mark(axes, [(trial, loss_of(trial)) for trial in inside])
    _mark(axes, [(trial, ceiling) for trial in lost])
    _mark(axes, [(trial, ceiling) for trial in beyond], marker="^")
    if beyond:
        worst = max(beyond, key=loss_of)
        add_note(axes, f"{loss_of(worst):.6g}", (worst.number, ceiling), (6, -10), "left", theme)


def _mark(axes: Axes, points: Sequence[tuple[Trial, float]], marker: str | None = None) -> None:
    """A mark for each trial of a state at a height."""
    if not points:
        return
    state = points[0][0].state
    color, usual, is_filled = MARKS[state]
    is_first = state not in axes.get_legend_handles_labels()[1]
    axes.scatter(
        [trial.number for trial, _ in points],
        [height for _, height in points],
        s=30,
        marker=marker or usual,
        color=color,
        facecolors=color if is_filled else "none",
        label=state if is_first else None,
        clip_on=False,
        zorder=4,
    )


def _draw_importance(
    axes: Axes,
    options: Sequence[OptionAxis],
    importances: Mapping[str, float],
    epoch: int,
    theme: Theme,
) -> None:
    """A bar for each option, the most important on top."""
    axes.set(title="importance", xlabel=f"fraction of the variance after epoch {epoch}")
    axes.xaxis.label.set_fontsize(9)
    style_axes(axes, theme)
    if not importances:
        axes.xaxis.label.set_visible(False)
        axes.set(xticks=[], yticks=[])
        text = "too few trials"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color=theme.foreground)
        return
    shown = sorted(options, key=lambda option: importances.get(option.name, 0.0))
    values = [importances.get(option.name, 0.0) for option in shown]
    axes.barh(range(len(shown)), values, height=0.65, color=COLORS[0])
    font_size = 9.5 if len(shown) <= FEW_BARS else 7.5
    titles = [option.title for option in shown]
    axes.set_yticks(range(len(shown)), titles, parse_math=False, fontsize=font_size)
    axes.set(xlim=(0, 1), ylim=(-0.7, max(2, len(shown)) - 0.3))
    axes.grid(visible=False, axis="y")
    for height, value in enumerate(values):
        text = f"{value:.0%}"
        if 0 < value < 0.01:
            text = "<1%"
        add_note(axes, text, (value, height), (4, -3), "left", theme)
