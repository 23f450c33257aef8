"""losses.csv: a row for every epoch, as text and back."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

SPLITS, SECONDS = ("train", "test"), ("train_seconds", "test_seconds")


def encode(history: Sequence[Mapping[str, Any]]) -> bytes:
    """The file for epochs given by their fields."""
    rows = [_row(epoch) for epoch in history]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def decode(text: str) -> dict[str, list[float]]:
    """The columns by name, with NaN for an empty cell; no columns if there is no row."""
    rows = list(csv.DictReader(io.StringIO(text)))
    return {name: [float(row[name] or "nan") for row in rows] for name in rows[0]} if rows else {}


def unfinished(number: int, means: Mapping[str, float], seconds: float) -> dict[str, Any]:
    """The fields of an epoch that ended in its training: its test columns stay empty."""
    blank = dict.fromkeys(means, "")
    return {
        "number": number,
        "train": means,
        "test": blank,
        "train_seconds": seconds,
        "test_seconds": "",
    }


def _row(epoch: Mapping[str, Any]) -> dict[str, Any]:
    row = {"epoch": epoch["number"]}
    for split in SPLITS:
        row |= {f"{split}_{name}": mean for name, mean in epoch[split].items()}
    return row | {name: epoch[name] for name in SECONDS}
