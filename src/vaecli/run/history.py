"""losses.csv: one row per epoch, written and read."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..system.errors import RunError

SPLITS = ("train", "valid", "test")
SECONDS = ("train_seconds", "test_seconds")
TERMS = ("loss", "distortion", "rate")


def encode(history: Sequence[Mapping[str, Any]]) -> bytes:
    """The file's content.

    Args:
        history: The fields of each epoch.
    """
    rows = [_row(epoch) for epoch in history]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def decode(path: Path) -> dict[str, list[float]]:
    """The columns to plot, by name; an empty cell is NaN.

    Raises:
        RunError: The file is not a table of losses.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return _curves(list(csv.DictReader(io.StringIO(text))))
    except (csv.Error, LookupError, TypeError, ValueError):
        raise RunError(f"{path} is not a table of losses as vaecli writes it.") from None


def columns(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The columns to plot, by name.

    Args:
        history: The fields of each epoch.
    """
    return _curves([_row(epoch) for epoch in history])


def _curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    splits = [split for split in SPLITS if split != "valid" or "valid_loss" in rows[0]]
    names = ["epoch", *(f"{split}_{term}" for split in splits for term in TERMS)]
    return {name: [float(row[name] or "nan") for row in rows] for name in names}


def partial_epoch(
    number: int, means: Mapping[str, float], seconds: float, validated: bool
) -> dict[str, Any]:
    """The fields of an unfinished epoch; the columns of test and validation are empty.

    Args:
        number: Number of the epoch, from 1.
        means: Running means over training images, in the units of `METRIC_UNITS`.
        seconds: Training time, in seconds.
        validated: Whether the table has validation columns.
    """
    empty = dict.fromkeys(means, "")
    return {
        "number": number,
        "train": means,
        "valid": empty if validated else {},
        "test": empty,
        "train_seconds": seconds,
        "test_seconds": "",
    }


def _row(epoch: Mapping[str, Any]) -> dict[str, Any]:
    row = {"epoch": epoch["number"]}
    for split in SPLITS:
        if means := epoch[split]:
            # a deterministic posterior has no rate: its column is empty
            means = dict.fromkeys(TERMS, "") | dict(means)
        row |= {f"{split}_{name}": mean for name, mean in means.items()}
    return row | {name: epoch[name] for name in SECONDS}
