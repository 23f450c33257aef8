"""Folders that are made for a run, and removed only if they held one."""

import os
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from ..config import defaults
from ..system.errors import ConfigError, RunError
from . import names, record, resume

FULL = "{} is not empty. Choose another --run-dir, or replace the run in it with --overwrite."


def make(folder: Path | None, name: str) -> Path:
    """An empty run directory: `folder`, or else the next free `runs/<name>-<n>`.

    Raises:
        ConfigError: It cannot be made, or holds something else.
    """
    try:
        if folder is None:
            folder = _next_free(Path(defaults.RUNS), name)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise ConfigError(FULL.format(folder))
        for inner in (names.CHECKPOINTS, names.EPOCHS):
            (folder / inner).mkdir()
    except OSError as error:
        where = folder or f"{defaults.RUNS}/{name}-1"
        raise ConfigError(f"Cannot make the run directory {where}: {error.strerror}.") from error
    return folder


def check(folder: Path | None, overwrite: bool) -> None:
    """Raise what `make` and `set_aside` would raise, as far as can be seen without writing."""
    place = (folder or Path(defaults.RUNS)).absolute()
    if folder is not None and folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise ConfigError(FULL.format(folder))
        _refuse_foreign(folder)
    there = next(path for path in (place, *place.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"Cannot make the run directory {place}: {there} cannot be written to.")


def tidy(folder: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote."""
    for place in (folder, folder / names.CHECKPOINTS, folder / names.EPOCHS):
        for path in place.glob(".tmp-*"):
            path.unlink(missing_ok=True)


def _next_free(root: Path, name: str) -> Path:
    """Made by an exclusive mkdir, so that two runs started at once never share one."""
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


def set_aside(folder: Path | None) -> Path | None:
    """Rename a run directory that is to be replaced; refuse what could be anything else.

    Returns:
        Where it is now, or None if there was none.
    """
    if folder is None:
        raise ConfigError("--overwrite needs --run-dir, the run to replace.")
    try:
        if not folder.exists() and not folder.is_symlink():
            return None
        _refuse_foreign(folder)
        target = folder.resolve()
        aside = target.with_name(f".{target.name}-replaced-{secrets.token_hex(4)}")
        with resume.held(folder):
            target.rename(aside)
        (aside / names.LOCK).unlink(missing_ok=True)
    except (OSError, RunError) as error:
        raise ConfigError(f"--overwrite does not remove {folder}: {error}") from error
    return aside


def _refuse_foreign(folder: Path) -> None:
    """Raise unless a folder holds a run of vaecli and nothing else."""
    here = Path.cwd()
    ours = [here, *here.parents]
    with suppress(RuntimeError):  # a user of a container may have no home
        ours += [Path.home(), *Path.home().parents]
    if folder.is_symlink() or folder.resolve() in ours:
        raise ConfigError(f"--overwrite does not remove {folder}: it is no ordinary run directory.")
    if not folder.is_dir():
        raise ConfigError(f"--overwrite does not remove {folder}: it is no directory.")
    inside = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    foreign = sorted(n for n in inside if n not in names.ALL and not re.fullmatch(names.PATTERN, n))
    if foreign:
        raise ConfigError(f"--overwrite does not remove {folder}: {foreign[0]} is not vaecli's.")
    if inside:
        record.read(folder)


def undo(made: Path | None, aside: Path | None, folder: Path | None) -> None:
    """Remove the directory that was made, and give the one set aside its name again."""
    if made is not None:
        shutil.rmtree(made)
        if folder is None:
            with suppress(OSError):  # other runs are in it
                made.parent.rmdir()
    if aside is not None and folder is not None:
        aside.rename(folder)


def forget(aside: Path | None) -> None:
    """Remove the directory that was set aside: another has replaced it."""
    if aside is not None:
        shutil.rmtree(aside)
