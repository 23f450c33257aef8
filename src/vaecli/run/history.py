"""losses.csv: one row per epoch, written and read."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..system import files
from ..system.errors import RunError

MAX_BYTES = 200_000_000
MAX_MEAN = 3.5e38  # the largest float32 and a little more
SPLITS = ("train", "valid", "test")
SECONDS = {
    "train_seconds": "Wall time of the training batches.",
    "test_seconds": "Wall time of the evaluation on test and validation images.",
}
TERMS = ("loss", "distortion", "rate")
# Of objectives with a discriminator, whose best epoch the distortion decides; and its old name.
DISCRIMINATOR_LOSS = "valid_discriminator_loss"
OLD_DISCRIMINATOR_LOSS = "valid_critic"


def encode(history: Sequence[Mapping[str, Any]]) -> bytes:
    """The file's content.

    Args:
        history: The fields of each epoch.
    """
    rows = [_row(epoch) for epoch in history]
    names = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def decode(path: Path) -> dict[str, list[float]]:
    """The columns to plot, by name; an empty cell is NaN.

    Raises:
        OSError: It cannot be read.
        RunError: The file is not a table of losses.
    """
    try:
        text = files.read_file(path, MAX_BYTES).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("a row has more or fewer cells than the head")
        return _checked(_curves(rows))
    except (csv.Error, LookupError, TypeError, ValueError):
        raise RunError(f"{path} is not a table of losses as vaecli writes it.") from None


def _checked(curves: dict[str, list[float]]) -> dict[str, list[float]]:
    """The same columns; a `ValueError` if a number is none that training can give."""
    if curves["epoch"] != [float(n + 1) for n in range(len(curves["epoch"]))]:
        raise ValueError("the epochs are not 1, 2, 3, ...")
    values = [value for column in curves.values() for value in column]
    if any(abs(value) > MAX_MEAN for value in values if math.isfinite(value)):
        raise ValueError("a loss is out of range")
    return curves


def columns(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The columns to plot, by name.

    Args:
        history: The fields of each epoch.
    """
    return _curves([_row(epoch) for epoch in history])


def _curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    splits = [split for split in SPLITS if split != "valid" or "valid_loss" in rows[0]]
    names = ["epoch", *(f"{split}_{term}" for split in splits for term in TERMS)]
    read = {name: name for name in names}
    for name in (OLD_DISCRIMINATOR_LOSS, DISCRIMINATOR_LOSS):
        if name in rows[0]:
            read[DISCRIMINATOR_LOSS] = name
    return {new: [float(row[name] or "nan") for row in rows] for new, name in read.items()}


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
