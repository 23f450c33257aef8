"""losses.csv: a row for every epoch, as text and back."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..system.errors import RunError

SPLITS, SECONDS = ("train", "valid", "test"), ("train_seconds", "test_seconds")
TERMS = ("loss", "distortion", "rate")


def encode(history: Sequence[Mapping[str, Any]]) -> bytes:
    """The file for epochs given by their fields."""
    rows = [_row(epoch) for epoch in history]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def decode(path: Path) -> dict[str, list[float]]:
    """The columns of a file by name, with NaN for an empty cell.

    Raises:
        RunError: It is no table of losses.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return _curves(list(csv.DictReader(io.StringIO(text))))
    except (csv.Error, LookupError, TypeError, ValueError):
        raise RunError(f"{path} is not a table of losses as vaecli writes it.") from None


def columns(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The columns by name of epochs given by their fields."""
    return _curves([_row(epoch) for epoch in history])


def _curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The columns to draw; those of validation only where they are."""
    splits = [split for split in SPLITS if split != "valid" or "valid_loss" in rows[0]]
    names = ["epoch", *(f"{split}_{term}" for split in splits for term in TERMS)]
    return {name: [float(row[name] or "nan") for row in rows] for name in names}


def unfinished(
    number: int, means: Mapping[str, float], seconds: float, validated: bool
) -> dict[str, Any]:
    """The fields of an epoch that ended in its training: its other columns stay empty."""
    blank = dict.fromkeys(means, "")
    return {
        "number": number,
        "train": means,
        "valid": blank if validated else {},
        "test": blank,
        "train_seconds": seconds,
        "test_seconds": "",
    }


def _row(epoch: Mapping[str, Any]) -> dict[str, Any]:
    row = {"epoch": epoch["number"]}
    for split in SPLITS:
        if means := epoch[split]:  # a posterior without a density has no rate
            means = dict.fromkeys(TERMS, "") | dict(means)
        row |= {f"{split}_{name}": mean for name, mean in means.items()}
    return row | {name: epoch[name] for name in SECONDS}
