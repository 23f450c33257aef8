"""Make run directories, and tell those that hold a run from others."""

import os
import re
from contextlib import suppress
from pathlib import Path

from ..config import defaults
from ..system import files
from ..system.errors import ConfigError, RunError
from . import names
from .lock import require_free
from .record import read_record

NOT_EMPTY = "{} is not empty. Choose another --run-dir, or replace the run in it with --overwrite."


def make(folder: Path | None, name: str) -> Path:
    """Make a directory for a run: `folder`, by default the next free `runs/<name>-<n>`.

    Raises:
        ConfigError: It cannot be made, or is not empty; see `is_blank`.
    """
    try:
        if folder is None:
            return _make_next_free(Path(defaults.RUNS), name)
        folder.mkdir(parents=True, exist_ok=True)
        require_blank(folder)
    except OSError as error:
        where = folder or f"{defaults.RUNS}/{name}-1"
        raise ConfigError(f"Cannot make the run directory {where}: {error.strerror}.") from error
    return folder


def prepare(folder: Path) -> None:
    """Make the folders in a run directory, in place of what an earlier start left there.

    Raises:
        ConfigError: The directory is not empty, or cannot be written.
    """
    try:
        clear(folder)
        for inner in names.FOLDERS:
            (folder / inner).mkdir()
    except OSError as error:
        raise ConfigError(f"Cannot make the run directory {folder}: {error.strerror}.") from error


def check(folder: Path | None, overwrite: bool) -> None:
    """Raise the errors of a new run in `folder`, as far as possible without writing."""
    target = (folder or Path(defaults.RUNS)).absolute()
    try:
        if folder is not None and folder.is_dir():
            if overwrite and any(folder.iterdir()):
                refuse_foreign(folder)
            elif not overwrite:
                require_blank(folder)
            require_free(folder)
        existing = next(path for path in (target, *target.parents) if path.exists())
    except OSError as error:
        raise ConfigError(f"Cannot make the run directory {target}: {error.strerror}.") from error
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"Cannot make the run directory {target}: {existing} is not writable.")


def is_blank(folder: Path) -> bool:
    """Whether a directory is empty, or holds only the start of a run that has no checkpoint."""
    inside = {path.name for path in folder.iterdir() if not files.is_temporary(path)}
    if not inside <= {*names.BEFORE_TRAINING, *names.FOLDERS, names.LOCK}:
        return False
    if not all(_has_its_kind(folder / name) for name in inside):
        return False
    inside.discard(names.LOCK)
    inner = [folder / name for name in names.FOLDERS if name in inside]
    if not all(files.is_temporary(path) for place in inner for path in place.iterdir()):
        return False
    if names.RECORD in inside:
        try:
            return read_record(folder).epochs_done == 0
        except RunError:
            return False
    # The process was killed before it wrote run.json.
    return inside <= {*names.FOLDERS} or inside == {*names.FOLDERS, names.CONFIG}


def require_blank(folder: Path) -> None:
    """Raise `ConfigError` unless `is_blank`."""
    if not is_blank(folder):
        raise ConfigError(NOT_EMPTY.format(folder))


def clear(folder: Path) -> None:
    """Remove everything but the lock from a directory that is blank.

    Raises:
        ConfigError: It is not blank.
    """
    require_blank(folder)
    remove_temporary_files(folder)
    for name in names.BEFORE_TRAINING:
        (folder / name).unlink(missing_ok=True)
    for inner in names.FOLDERS:
        with suppress(FileNotFoundError):
            (folder / inner).rmdir()


def remove_temporary_files(folder: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote."""
    for place in (folder, *(folder / inner for inner in names.FOLDERS)):
        for path in place.glob(".tmp-*"):
            if files.is_temporary(path):
                path.unlink(missing_ok=True)


def refuse_links(folder: Path) -> None:
    """Raise `RunError` if a file of a run is a link, which may lead out of the run directory."""
    for name in sorted(names.ALL):
        path = folder / name
        if os.path.lexists(path) and not _has_its_kind(path):
            kind = "a link" if path.is_symlink() else "not an ordinary file"
            raise RunError(f"{path} is {kind}: remove it, or replace it by what it stands for.")


def _has_its_kind(path: Path) -> bool:
    """Whether a folder of a run is a folder and a file is a file, and neither is a link."""
    if path.name in names.FOLDERS:
        return path.is_dir() and not path.is_symlink()
    return files.is_ordinary(path)


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


def refuse_foreign(folder: Path) -> None:
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
    if foreign := foreign_names(folder):
        raise ConfigError(f"{refusal}: vaecli did not write {min(foreign)}.")
    if not is_blank(folder):
        read_record(folder)


def foreign_names(folder: Path) -> list[str]:
    """The names in a folder, and below, that no file of a run has."""
    inside = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    return [
        name for name in inside if name not in names.ALL and not re.fullmatch(names.PATTERN, name)
    ]
