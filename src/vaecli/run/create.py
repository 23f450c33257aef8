"""New runs."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..config import defaults
from ..config.config import Config, to_json
from ..config.data_paths import short_name
from ..system import files
from ..system.errors import ConfigError, RunError
from . import directory, names, replace
from .lock import require_free, run_lock
from .record import Origin, new_record, read_record, write_record
from .run import Run


def make_run(config: Config, folder: Path | None = None) -> Run:
    """Make a run directory with its config.json and run.json.

    Args:
        config: A resolved configuration; it is written to config.json.
        folder: Path of the directory; by default the next free `runs/<data>-<preset>-<n>`.

    Raises:
        ConfigError: The folder cannot be made, or holds something else.
    """
    folder = directory.make(folder, _name(config))
    with run_lock(folder):
        return _fill(folder, config)


@contextmanager
def new_run(
    config: Config, folder: Path | None, overwrite: bool, origin: Origin | None = None
) -> Iterator[Run]:
    """A new run directory, locked inside the `with` block.

    It is removed again if the block raises before training begins. A run that it replaces is set
    aside until the new one has a checkpoint; if it has none after the block, the old one is put
    back.

    Args:
        config: As for `make_run`.
        folder: As for `make_run`.
        overwrite: Whether to replace the run in `folder`.
        origin: Whose weights it begins with; None for random ones.

    Raises:
        ConfigError: The folder cannot be made, holds something else, or is being trained.
    """
    if folder is None:
        replace.recover_all(Path(defaults.RUNS))
    else:
        replace.recover(folder)
        replace.require_settled(folder)
    with ExitStack() as stack:
        aside = stack.enter_context(replace.set_aside(folder)) if overwrite else None
        is_new = folder is None or not os.path.isdir(folder)
        made = directory.make(folder, _name(config))
        if is_new:
            stack.callback(_remove_if_empty, made, folder is None)
        stack.enter_context(run_lock(made))
        replace.require_settled(made, but=aside)  # of two starts at once, one makes the run
        try:
            yield _fill(made, config, origin)
        except BaseException:  # also Ctrl-C
            if not _has_begun(made):
                with suppress(ConfigError, OSError):  # the first error tells more
                    directory.clear(made)
            raise


def planned_run(folder: Path | None, overwrite: bool) -> Run:
    """The run that `new_run` would make, checked as far as possible without writing.

    Raises:
        ConfigError: The folder cannot be made, holds something else, or is being trained.
    """
    if overwrite and folder is None:
        raise ConfigError(replace.NO_RUN_TO_REPLACE)
    for aside in replace.find_aside(replace.real_path(folder)) if folder else ():
        require_free(aside, run=folder)
        if not overwrite:  # it will be put back
            raise ConfigError(directory.NOT_EMPTY.format(folder))
    directory.check(folder, overwrite)
    place = Path(defaults.RUNS) if folder is None else folder
    return Run(place, place / names.CHECKPOINT)


def _name(config: Config) -> str:
    return f"{short_name(config.data)}-{config.preset}"


def _fill(folder: Path, config: Config, origin: Origin | None = None) -> Run:
    directory.prepare(folder)
    run = Run(folder, folder / names.CHECKPOINT)
    write_config(run, config)
    write_record(folder, new_record(config.seed, origin))
    return run


def _has_begun(folder: Path) -> bool:
    """Whether training has begun, so that run.json names its device."""
    try:
        return read_record(folder).device is not None
    except RunError:
        return False


def _remove_if_empty(folder: Path, is_in_runs: bool) -> None:
    with suppress(OSError):  # it holds a run
        folder.rmdir()
        if is_in_runs:
            folder.parent.rmdir()


def write_config(run: Run, config: Config) -> None:
    """Write config.json."""
    text = json.dumps(to_json(config), indent=2, ensure_ascii=False) + "\n"
    files.write_atomic(run.folder / names.CONFIG, text.encode())
