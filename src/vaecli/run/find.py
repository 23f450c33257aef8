"""Find runs on the disk: by path, the newest, or all."""

from pathlib import Path
from typing import Literal

from ..config import defaults
from ..system.errors import RunError
from . import names
from .record import read_record
from .replace import is_aside, recover, recover_all
from .run import Run

Which = Literal["last", "best"]


def open_run(path: str | Path, checkpoint: Which | None = None) -> Run:
    """The run in a directory, or the checkpoint in a file.

    Args:
        path: Path of the directory or the file.
        checkpoint: Which checkpoint of a directory to read; by default the best if there is one,
            else the last.

    Raises:
        RunError: The path is neither, or has no such checkpoint.
    """
    path = Path(path)
    try:
        if path.is_file():
            inside = path.parent
            if inside.name in ("", ".."):
                inside = inside.resolve()
            folder = inside.parent
            if inside.name == names.CHECKPOINTS and (folder / names.CONFIG).is_file():
                return Run(folder, inside / path.name)
            return Run(path.parent, path)
        recover(path)
        if (path / names.CONFIG).is_file():
            return Run(path, path / _choose_checkpoint(path, checkpoint))
        problem = "does not exist"
        if path.exists():
            problem = "is not a run directory: it has no config.json"
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error
    raise RunError(f"{path} {problem}. Make a run with: vaecli train --run-dir {path}")


def _choose_checkpoint(folder: Path, checkpoint: Which | None) -> str:
    has_best = (folder / names.BEST).is_file()
    if checkpoint == "best" and not has_best:
        raise RunError(f"{folder} has no best checkpoint: train it with --validation N.")
    if checkpoint == "last" or not has_best:
        return names.CHECKPOINT
    return names.BEST


def latest_run(root: Path = Path(defaults.RUNS), checkpoint: Which | None = None) -> Run:
    """The run under `root` that started last, of those that have a checkpoint.

    Raises:
        RunError: There is no such run.
    """
    recover_all(root)
    run = find_latest_run(root)
    if run is None:
        raise RunError(f"There is no trained run under {root}/. Make one with: vaecli train")
    return open_run(run.folder, checkpoint)


def find_latest_run(root: Path = Path(defaults.RUNS)) -> Run | None:
    """The run under `root` that started last, of those that have a checkpoint; else None."""
    for run in runs_newest_first(root):
        if run.checkpoint.is_file():
            return run
    return None


def runs_newest_first(root: Path = Path(defaults.RUNS)) -> list[Run]:
    """The runs under `root`, by the start that run.json says, the newest first."""
    return scan_runs(root)[0]


def scan_runs(root: Path = Path(defaults.RUNS)) -> tuple[list[Run], list[str]]:
    """The runs under `root`, the newest first, and why each of the others cannot be read."""
    started = []
    problems = []
    for path in sorted(root.glob(f"*/{names.RECORD}")):
        folder = path.parent
        try:
            if (folder / names.CONFIG).is_file() and not is_aside(folder):
                started.append((read_record(folder).started, folder))
        except RunError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"Cannot read {folder}: {error.strerror}.")
    return [open_run(folder, "last") for _, folder in sorted(started, reverse=True)], problems
