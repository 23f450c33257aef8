"""Folders that are made for a run, and removed only if they held one."""

import shutil
from pathlib import Path

from .. import defaults
from ..errors import ConfigError, RunError
from . import record

CHECKPOINTS, EPOCHS = "checkpoints", "samples"  # folders inside a run


def make(folder: Path | None, name: str, overwrite: bool) -> Path:
    """An empty run directory: `folder`, or else the next free `runs/<name>-<n>`.

    Raises:
        ConfigError: It cannot be made, or holds something else.
    """
    if folder is None and overwrite:
        raise ConfigError("--overwrite needs --run-dir, the run to replace.")
    try:
        if folder is None:
            folder = _next_free(Path(defaults.RUNS), name)
        else:
            if overwrite and folder.exists():
                _remove(folder)
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise ConfigError(
                    f"{folder} is not empty. Choose another --run-dir, "
                    "or replace the run in it with --overwrite."
                )
        for inner in (CHECKPOINTS, EPOCHS):
            (folder / inner).mkdir()
    except OSError as error:
        where = folder or f"{defaults.RUNS}/{name}-1"
        raise ConfigError(f"Cannot make the run directory {where}: {error.strerror}.") from error
    return folder


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


def _remove(folder: Path) -> None:
    """Remove a run directory, and nothing that could be anything else."""
    here, home = Path.cwd(), Path.home()
    target = folder.resolve()
    if folder.is_symlink() or target in (here, home, *here.parents, *home.parents):
        raise ConfigError(f"--overwrite does not remove {folder}: it is no ordinary run directory.")
    try:
        record.read(folder)
    except RunError:
        if any(folder.iterdir()):
            raise ConfigError(
                f"--overwrite does not remove {folder}: it holds no run.json of vaecli."
            ) from None
    shutil.rmtree(folder)
