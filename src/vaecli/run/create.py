"""New runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config import defaults
from ..config.config import Config, to_json
from ..system import files
from . import directory, names
from .record import new_record, write_record
from .run import Run


def make_run(config: Config, folder: Path | None = None) -> Run:
    """Make a run directory with its config.json and run.json.

    Args:
        config: A resolved configuration; it is written to config.json.
        folder: Path of the directory; by default the next free `runs/<data>-<preset>-<n>`.

    Raises:
        ConfigError: The folder cannot be made, or holds something else.
    """
    folder = directory.make(folder, f"{config.data}-{config.preset}")
    run = Run(folder, folder / names.CHECKPOINT)
    write_config(run, config)
    write_record(folder, new_record(config.seed))
    return run


@contextmanager
def new_run(config: Config, folder: Path | None, overwrite: bool) -> Iterator[Run]:
    """A new run directory, removed again if the `with` block raises.

    Args:
        config: As for `make_run`.
        folder: As for `make_run`.
        overwrite: Whether to replace the run in `folder`.

    Raises:
        ConfigError: The folder cannot be made, or holds something else.
    """
    aside = directory.move_aside(folder) if overwrite else None
    made = None
    try:
        run = make_run(config, folder)
        made = run.folder
        yield run
    except BaseException:  # also Ctrl-C: nothing was trained yet
        directory.undo(made, aside, folder)
        raise
    directory.delete_replaced(aside)


def planned_run(folder: Path | None, overwrite: bool) -> Run:
    """The run that `new_run` would make, checked as far as possible without writing.

    Raises:
        ConfigError: The folder cannot be made, or holds something else.
    """
    directory.check(folder, overwrite)
    place = Path(defaults.RUNS) if folder is None else folder
    return Run(place, place / names.CHECKPOINT)


def write_config(run: Run, config: Config) -> None:
    """Write config.json."""
    text = json.dumps(to_json(config), indent=2, ensure_ascii=False) + "\n"
    files.write_atomic(run.folder / names.CONFIG, text.encode())
