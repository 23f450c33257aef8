"""Make and replace run directories. Only directories that hold a run are ever removed."""

import os
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from ..config import defaults
from ..system.errors import ConfigError, RunError
from . import names
from .lock import run_lock
from .record import read_record

NOT_EMPTY = "{} is not empty. Choose another --run-dir, or replace the run in it with --overwrite."
NO_RUN_TO_REPLACE = "--overwrite needs --run-dir, the run to replace."


def make(folder: Path | None, name: str) -> Path:
    """Make an empty run directory: `folder`, by default the next free `runs/<name>-<n>`.

    Raises:
        ConfigError: It cannot be made, or is not empty.
    """
    try:
        if folder is None:
            folder = _make_next_free(Path(defaults.RUNS), name)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise ConfigError(NOT_EMPTY.format(folder))
        for inner in (names.CHECKPOINTS, names.EPOCHS):
            (folder / inner).mkdir()
    except OSError as error:
        where = folder or f"{defaults.RUNS}/{name}-1"
        raise ConfigError(f"Cannot make the run directory {where}: {error.strerror}.") from error
    return folder


def check(folder: Path | None, overwrite: bool) -> None:
    """Raise the errors of `make` and `move_aside`, as far as possible without writing."""
    if overwrite and folder is None:
        raise ConfigError(NO_RUN_TO_REPLACE)
    target = (folder or Path(defaults.RUNS)).absolute()
    try:
        if folder is not None and folder.is_dir() and any(folder.iterdir()):
            if not overwrite:
                raise ConfigError(NOT_EMPTY.format(folder))
            _refuse_foreign(folder)
        existing = next(path for path in (target, *target.parents) if path.exists())
    except OSError as error:
        raise ConfigError(f"Cannot make the run directory {target}: {error.strerror}.") from error
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"Cannot make the run directory {target}: {existing} is not writable.")


def remove_temporary_files(folder: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote."""
    for place in (folder, folder / names.CHECKPOINTS, folder / names.EPOCHS):
        for path in place.glob(".tmp-*"):
            path.unlink(missing_ok=True)


def _make_next_free(root: Path, name: str) -> Path:
    """Make `root/name-<n>` by an exclusive mkdir: two runs that start together never share it."""
    root.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = root / f"{name}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def move_aside(folder: Path | None) -> Path | None:
    """Rename a run directory that is to be replaced; refuse a folder that is none.

    Returns:
        Its new path; None if there was nothing at `folder`.
    """
    if folder is None:
        raise ConfigError(NO_RUN_TO_REPLACE)
    try:
        if not folder.exists() and not folder.is_symlink():
            return None
        _refuse_foreign(folder)
        target = folder.resolve()
        aside = target.with_name(f".{target.name}-replaced-{secrets.token_hex(4)}")
        with run_lock(folder):
            target.rename(aside)
        (aside / names.LOCK).unlink(missing_ok=True)
    except (OSError, RunError) as error:
        raise ConfigError(f"--overwrite refuses to delete {folder}: {error}") from error
    return aside


def _refuse_foreign(folder: Path) -> None:
    """Raise `ConfigError` unless a folder contains a run of vaecli and nothing else."""
    refusal = f"--overwrite refuses to delete {folder}"
    here = Path.cwd()
    protected = [here, *here.parents]
    with suppress(RuntimeError):  # the user of a container may have no home
        protected += [Path.home(), *Path.home().parents]
    if folder.is_symlink() or folder.resolve() in protected:
        raise ConfigError(f"{refusal}: it is not an ordinary run directory.")
    if not folder.is_dir():
        raise ConfigError(f"{refusal}: it is not a directory.")
    inside = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    foreign = [
        name for name in inside if name not in names.ALL and not re.fullmatch(names.PATTERN, name)
    ]
    if foreign:
        raise ConfigError(f"{refusal}: vaecli did not write {min(foreign)}.")
    if inside:
        read_record(folder)


def undo(made: Path | None, aside: Path | None, folder: Path | None) -> None:
    """Remove the directory that was made, and rename the one that was moved aside back.

    Args:
        made: The new directory, if it was made.
        aside: New path of the replaced directory, if there was one.
        folder: The path that the user gave; None if vaecli chose it under runs/.
    """
    if made is not None:
        shutil.rmtree(made)
        if folder is None:
            with suppress(OSError):  # not empty: it has other runs
                made.parent.rmdir()
    if aside is not None and folder is not None:
        aside.rename(folder)


def delete_replaced(aside: Path | None) -> None:
    """Remove the directory that was moved aside, after another one replaced it."""
    if aside is not None:
        shutil.rmtree(aside)
