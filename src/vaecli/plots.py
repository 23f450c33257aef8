"""Curves and scatters. They take NumPy arrays and plain numbers, and return image files."""

import io
import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from warnings import catch_warnings, filterwarnings

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

ENDINGS = (".png", ".pdf", ".svg")
# Ten colours that people with a colour vision deficiency can tell apart too:
# Accessible Color Sequences for Data Visualization (Petroff, 2021), https://arxiv.org/abs/2107.02270
COLORS = ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"]
COLORS += ["#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"]
STYLES = {"train": "--", "valid": ":", "test": "-"}
LEGEND = 50  # classes at most that a legend has room for; their numbers are drawn anyway
MARKERS = "o^sDvP*X"  # the next ten classes take the next marker

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


def plane(z: NDArray[np.float32]) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Points to draw, shape `(N, 2)`, and the names of their axes.

    References:
        On lines and planes of closest fit to systems of points in space (Pearson, 1901),
            https://doi.org/10.1080/14786440109462720
    """
    points = z.astype(np.float64)
    if z.shape[1] == 1:
        return np.column_stack([points, np.zeros(len(z))]), ("latent 1", "")
    if z.shape[1] == 2:
        return points, ("latent 1", "latent 2")
    centered = points - points.mean(0)
    variances, directions = np.linalg.eigh(centered.T @ centered)
    shares = variances[::-1] / max(variances.sum(), np.finfo(float).tiny)
    names = [f"principal component {i + 1} ({100 * shares[i]:.1f} % of variance)" for i in (0, 1)]
    first, second = directions[:, -1], directions[:, -2]
    # An eigenvector's sign is arbitrary: fix it, so that the same latents give the same picture.
    axes = [v * np.sign(v[np.abs(v).argmax()]) for v in (first, second)]
    return centered @ np.column_stack(axes), (names[0], names[1])


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


def _printable(text: str) -> str:
    """A folder's name may hold bytes that are no text."""
    return text.encode(errors="replace").decode()


def _dots(curves: Curves) -> dict[str, str]:
    """A short run is drawn with dots: one epoch alone would be no line."""
    return {"marker": "."} if len(curves["epoch"]) < 20 else {}


def _soften(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def _encode(figure: Figure, ending: str) -> bytes:
    """The figure as a file, the same bytes at every time."""
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(ending)
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "vaecli"}), catch_warnings():
        filterwarnings("ignore", "Glyph .* missing")  # an emoji in a path is drawn as a box
        figure.savefig(buffer, format=ending[1:], dpi=120, metadata=undated)
    return buffer.getvalue()
