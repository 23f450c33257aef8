"""A small training on the command line, and what the files of its run hold."""

import csv
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.conftest import TINY
from vaecli.run import checkpoint, names


def arguments(digits: Path, run: Path, *more: object) -> list[object]:
    """The command line of a training of a tiny network."""
    return ["train", "--data-dir", digits, *TINY, "--run-dir", run, *more]


def record(run: Path) -> dict[str, Any]:
    """The contents of run.json."""
    return json.loads((run / names.RECORD).read_text())


def set_record(run: Path, **changes: object) -> None:
    """Change run.json, as if it had been written so."""
    (run / names.RECORD).write_text(json.dumps({**record(run), **changes}))


def config(run: Path) -> dict[str, Any]:
    """The contents of config.json."""
    return json.loads((run / names.CONFIG).read_text())


def losses(run: Path) -> list[dict[str, str]]:
    """The rows of losses.csv."""
    with (run / names.LOSSES).open(newline="") as file:
        return list(csv.DictReader(file))


def tensors(run: Path, name: str = names.CHECKPOINT) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by default the last."""
    return checkpoint.load(run / name)[0]


def header(run: Path) -> dict[str, Any]:
    """The header of the last checkpoint."""
    return checkpoint.load(run / names.CHECKPOINT)[1]


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file in a folder and below."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same_tensors(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """The same names, and the same numbers to the last bit."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def assert_same_run(run: Path, reference: Path) -> None:
    """The same tensors and pictures, and the same losses but for the columns of seconds."""
    assert_same_tensors(tensors(run), tensors(reference))
    found = [line.split(",")[:-2] for line in (run / names.LOSSES).read_text().splitlines()]
    lines = (reference / names.LOSSES).read_text().splitlines()
    assert found == [line.split(",")[:-2] for line in lines]
    for path in reference.rglob("*.png"):
        if path.name != names.LOSS_PLOT:  # its legend names the run
            assert (run / path.relative_to(reference)).read_bytes() == path.read_bytes(), path
