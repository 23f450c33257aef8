"""The metrics of samples as a table for a person."""

from collections.abc import Mapping
from typing import Any

# The rows: key of the result, name, factor to the unit that is shown, decimals.
ROWS = (
    ("clear", "clear, %", 100, 1),
    ("right", "clear and right, %", 100, 1),
    ("rarest", "rarest digit, % of clear", 100, 1),
    ("frechet_distance", "Frechet distance", 1, 2),
    ("precision", "precision", 1, 3),
    ("recall", "recall", 1, 3),
    ("density", "density", 1, 3),
    ("coverage", "coverage", 1, 3),
    ("class_distance", "distance within a class", 1, 2),
    ("nearest_training_image", "nearest training image", 1, 2),
)


def sample_table(result: Mapping[str, Any]) -> str:
    """The result of `evaluation.samples.evaluate_samples` in lines of at most 80 characters."""
    lines = [
        f"{result['samples']:,} samples, seed {result['seed']}; features of "
        f"{result['feature_space']}; 95 % intervals.",
        "",
        f"{'':26}{'samples':^26}{'real images':^26}".rstrip(),
    ]
    for key, name, factor, decimals in ROWS:
        if key in result:
            cells = [_cell(part, factor, decimals) for part in (result[key], result[key]["real"])]
            lines.append(f"{name:26}{cells[0]}{cells[1]}".rstrip())
    cell = _cell(result["nearest_training_image"]["reconstructions"], 1, 2)
    lines.append(f"{'  of reconstructions':26}{'':26}{cell}".rstrip())
    return "\n".join(lines)


def _cell(figure: Mapping[str, Any], factor: int, decimals: int) -> str:
    """A figure and its interval in 26 characters."""
    value, low, high = (
        f"{factor * figure[name]:.{decimals}f}" for name in ("value", "low", "high")
    )
    return f"{value:>9}  {f'{low} - {high}':<15}"
