"""The run directory: the only package that knows its file names (`names`) and their formats."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from ..config import defaults
from ..config.config import Config
from ..system.errors import RunError, VaecliError
from . import directory, names, record, resume
from .run import Run as Run

Which = Literal["last", "best"]


def open(path: str | Path, checkpoint: Which | None = None) -> Run:
    """The run in a directory, or the checkpoint in a file.

    Args:
        path: Of either.
        checkpoint: Which one of a directory to read; without it the best where there is one.

    Raises:
        RunError: It is neither, or has no such checkpoint.
    """
    path = Path(path)
    try:
        if path.is_file():
            owner = path.parent.parent
            inside = path.parent.name == names.CHECKPOINTS and (owner / names.CONFIG).is_file()
            return Run(owner if inside else path.parent, path)
        if (path / names.CONFIG).is_file():
            best = (path / names.BEST).is_file()
            if checkpoint == "best" and not best:
                raise RunError(f"{path} has no best checkpoint: train it with --validation N.")
            last = checkpoint == "last" or not best
            return Run(path, path / (names.CHECKPOINT if last else names.BEST))
        lack = (
            "is not a run directory: it has no config.json" if path.exists() else "does not exist"
        )
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error
    raise RunError(f"{path} {lack}. Make a run with: vaecli train --run-dir {path}")


def latest(root: Path = Path(defaults.RUNS), checkpoint: Which | None = None) -> Run:
    """The run with a checkpoint that was started last, of those under `root`.

    Raises:
        RunError: There is none.
    """
    if (run := find_latest(root)) is None:
        raise RunError(f"There is no trained run under {root}/. Make one with: vaecli train")
    return open(run.folder, checkpoint)


def find_latest(root: Path = Path(defaults.RUNS)) -> Run | None:
    """The same, or None."""
    return next((run for run in _newest_first(root) if run.checkpoint.is_file()), None)


def find_unfinished(config: Config, root: Path = Path(defaults.RUNS)) -> Run | None:
    """The newest run of this configuration that can go on, if there is one."""
    return next((run for run in _newest_first(root) if resume.is_unfinished(run, config)), None)


@contextmanager
def starting(config: Config, folder: Path | None, overwrite: bool) -> Iterator[Run]:
    """A new run directory, undone if a mistake of the user's shows inside."""
    aside = directory.set_aside(folder) if overwrite else None
    made = None
    try:
        run = create(config, folder)
        made = run.folder
        yield run
    except VaecliError:
        directory.undo(made, aside, folder)
        raise
    directory.forget(aside)


def planned(folder: Path | None, overwrite: bool) -> Run:
    """The run that `starting` would make, checked as far as can be without writing."""
    directory.check(folder, overwrite)
    place = Path(defaults.RUNS) if folder is None else folder
    return Run(place, place / names.CHECKPOINT)


def _newest_first(root: Path) -> list[Run]:
    """The runs under `root` by when they were started, whatever the times of their files."""
    started = []
    for file in root.glob(f"*/{names.RECORD}"):
        if (file.parent / names.CONFIG).is_file():
            with suppress(RunError):
                started.append((record.read(file.parent).started, file.parent))
    return [open(folder, "last") for _, folder in sorted(started, reverse=True)]


def create(config: Config, folder: Path | None = None) -> Run:
    """A new run directory that holds its configuration.

    Args:
        config: Written to config.json.
        folder: By default the next free `runs/<data>-<preset>-<n>`.

    Raises:
        ConfigError: The folder cannot be made, or holds something else.
    """
    folder = directory.make(folder, f"{config.data}-{config.preset}")
    run = Run(folder, folder / names.CHECKPOINT)
    run._configure(config)
    record.begin(folder, config.seed)
    return run
