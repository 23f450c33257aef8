"""The trials of a study as a table for a person, and as single lines."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from ..experiments.tune.rows import TrialRow
from ..pictures.trial_losses import best_trial, loss_of
from ..system.text import escape_controls, shorten
from .failures import with_flags
from .messages import count, format_duration

ORDER = ("completed", "pruned", "running", "failed")  # groups of the table, from the top
HEAD = ("trial", "loss", "epochs", "state")
TEXT_CHARACTERS = 32  # of a value that is text
REASON_CHARACTERS = 200
UNLIMITED = 10**6  # columns, where the output is no terminal


def trial_table(rows: Sequence[TrialRow], metric: str = "loss", width: int = UNLIMITED) -> str:
    """All trials, the best first, with their options and runs.

    Where the width does not suffice for a column of each option, the options and the run are on
    lines of their own below the trial.

    Args:
        rows: In any order.
        metric: What their values are: loss, distortion or negative ELBO.
        width: Columns of the terminal. A run that is longer is not cut.
    """
    ordered = sorted(rows, key=_rank)
    parents = {row.run.parent for row in rows}
    is_shared = len(parents) == 1
    runs = [str(row.run) for row in ordered]
    if is_shared:
        runs = [row.run.name for row in ordered]
    table = list(_one_line_each(ordered, runs))
    if max(map(cell_len, table), default=0) > width:
        table = list(_in_blocks(ordered, runs, width))
    title = f"Trials by validation {metric}, nats per image, lowest first."
    lines = list(_wrapped(title.split(" "), 0, width))
    if is_shared:
        lines.append(f"Their runs are in {parents.pop()}:")
    lines += ["", *table]
    for row in ordered:
        if row.state == "failed" and row.reason:
            lines.append(
                f"trial {row.number} failed: {shorten(with_flags(row.reason), REASON_CHARACTERS)}"
            )
    return "\n".join(escape_controls(line) for line in lines)


def _rank(row: TrialRow) -> tuple[int, float, int]:
    loss = loss_of(row)
    if math.isnan(loss):
        loss = math.inf
    return ORDER.index(row.state), loss, row.number


def _one_line_each(rows: Sequence[TrialRow], runs: Sequence[str]) -> Iterator[str]:
    """A header and a line for each trial, with a column for each option."""
    names = list(dict.fromkeys(name for row in rows for name in row.options))
    cells = [[*HEAD, *names, "run"]]
    for row, run in zip(rows, runs, strict=True):
        values = [format_option(row.options.get(name)) for name in names]
        cells.append([*_head_cells(row), *values, run])
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = [_aligned(text, n, widths[n]) for n, text in enumerate(line)]
        yield "  ".join(padded).rstrip()


def _in_blocks(rows: Sequence[TrialRow], runs: Sequence[str], width: int) -> Iterator[str]:
    """A header, and for each trial a line, its options, and its run where it fits."""
    cells = [[*HEAD], *map(_head_cells, rows)]
    heads = [f"{number:>5}{loss:>9}{epochs:>8}  {state:9}" for number, loss, epochs, state in cells]
    is_beside = max(cell_len(f"{heads[0]}  {run}") for run in runs) <= width
    yield f"{heads[0]}  run" if is_beside else heads[0].rstrip()
    for row, head, run in zip(rows, heads[1:], runs, strict=True):
        yield f"{head}  {run}" if is_beside else head.rstrip()
        yield from _wrapped(option_texts(row.options), 6, width)
        if not is_beside:
            yield f"{'':6}{run}"


def _head_cells(row: TrialRow) -> list[str]:
    return [str(row.number), format_loss(row.value), str(row.epochs), row.state]


def _aligned(text: str, column: int, width: int) -> str:
    """Numbers on the right; the state and what follows it on the left."""
    blanks = " " * (width - cell_len(text))
    if column < HEAD.index("state"):
        return blanks + text
    return text + blanks


def _wrapped(words: Sequence[str], indent: int, width: int) -> Iterator[str]:
    """Words in lines of at most this width, as far as each word alone fits."""
    line = ""
    for word in words:
        if line and indent + cell_len(line) + 1 + cell_len(word) > width:
            yield " " * indent + line
            line = ""
        line = f"{line} {word}" if line else word
    if line:
        yield " " * indent + line


def trial_line(row: TrialRow, rows: Sequence[TrialRow], metric: str = "loss") -> str:
    """What became of a trial, and which is the best so far.

    Args:
        row: The trial, which has ended.
        rows: All trials, with this one.
        metric: What their values are.
    """
    options = " ".join(option_texts(row.options))
    if row.state == "failed":
        text = f"trial {row.number} failed with {options}"
        if row.reason:
            text += f": {shorten(with_flags(row.reason), REASON_CHARACTERS)}"
        return text
    parts = [
        f"trial {row.number} {row.state}",
        f"{count(row.epochs, 'epoch')} in {format_duration(row.seconds)}",
        f"validation {metric} {format_loss(row.value)}",
        options,
    ]
    best = best_trial(rows)
    if best is not None:
        is_new = best.number == row.number
        parts.append("best so far" if is_new else f"best {best.value:.2f} of trial {best.number}")
    return ", ".join(parts)


def format_loss(value: float | None) -> str:
    """A loss with two decimals, or a dash if there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.2f}"


def option_texts(options: Mapping[str, Any]) -> list[str]:
    """Options as on the command line, such as `network.width=400`."""
    return [f"{name}={format_option(value)}" for name, value in options.items()]


def format_option(value: Any) -> str:
    """A value in few characters: four digits of a fraction, the beginning of a long text."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    return shorten(str(value), TEXT_CHARACTERS)
