"""Replace a run by a new one, and lose neither of them, whatever ends the process.

Until the new run has a checkpoint, the old one waits beside it under another name, which says where
it belongs. From what is on the disk alone, `settle` decides which of the two stays.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..system import files
from ..system.errors import ConfigError, RunError
from ..system.renamed import warn_caller
from . import directory, names
from .lock import RunIsLocked, holder, run_lock
from .record import read_record

NO_RUN_TO_REPLACE = "--overwrite needs --run-dir, the run to replace."
ASIDE = ".{}-replaced-{}"  # a run that waits, by its name and eight hexadecimal digits
REMOVED = ".{}-removed-{}"  # one that is being deleted
_ASIDE_OR_REMOVED = re.compile(r"\.(.+)-re(?:plac|mov)ed-[0-9a-f]{8}", re.DOTALL)
RESTORED = (
    "Restored {}: the training that was to replace it was killed before its first checkpoint."
)


CANNOT_RESTORE = "Cannot put {} back to {}, where --overwrite took it from: {}."


class RestoredWarning(UserWarning):
    """A run that an interrupted process had set aside is back in its place."""


class NotRestoredWarning(UserWarning):
    """A run that an interrupted process had set aside cannot be put back in its place."""


@contextmanager
def set_aside(folder: Path | None) -> Iterator[Path | None]:
    """Set the run in `folder` aside and lock it; after the `with` block `settle` decides.

    Yields:
        Its new path; None if there was nothing in `folder`.

    Raises:
        ConfigError: There is something else in `folder`, or it is being trained.
    """
    if folder is None:
        raise ConfigError(NO_RUN_TO_REPLACE)
    if not os.path.lexists(folder):
        yield None
        return
    try:
        directory.refuse_foreign(folder)
    except (OSError, RunError) as error:
        raise _refusal(folder, error) from error
    target = real_path(folder)
    with run_lock(folder):
        aside = target.with_name(ASIDE.format(target.name, secrets.token_hex(4)))
        try:
            target.rename(aside)
        except OSError as error:
            raise _refusal(folder, error) from error
        try:
            yield aside
        finally:
            settle(target, aside)


def _refusal(folder: Path, error: Exception) -> ConfigError:
    return ConfigError(f"--overwrite refuses to delete {folder}: {error}")


def settle(target: Path, aside: Path) -> bool:
    """Delete the run that was set aside if the new one has a checkpoint, else put it back.

    Returns:
        Whether it was put back.

    Raises:
        ConfigError: It cannot be put back.
    """
    if not aside.is_dir():
        return False
    if (target / names.CHECKPOINT).is_file():
        _delete(target, aside)
        return False
    try:
        if target.is_dir():
            with run_lock(target):
                if not directory.is_blank(target):
                    reason = f"{target} is not empty. Move one of the two elsewhere"
                    raise ConfigError(CANNOT_RESTORE.format(aside, target, reason))
                directory.clear(target)
            target.rmdir()
        aside.rename(target)
    except OSError as error:
        raise ConfigError(CANNOT_RESTORE.format(aside, target, error.strerror)) from error
    return True


def delete_replaced(folder: Path) -> None:
    """Delete the run that the one in `folder` replaced, now that this one has a checkpoint."""
    target = real_path(folder)
    for aside in find_aside(target):
        _delete(target, aside)


def _delete(target: Path, aside: Path) -> None:
    """Delete a run under another name, so that no half of it is ever put back."""
    removed = target.with_name(REMOVED.format(target.name, secrets.token_hex(4)))
    with suppress(OSError):  # training goes on, and the next start tries again
        files.sync_folder(target.parent)
        aside.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def recover(folder: Path) -> None:
    """Settle what a process that was killed left of replacing the run in `folder`.

    A run that another process is replacing now is left alone.

    Raises:
        ConfigError: The run that was set aside cannot be put back.
    """
    target = real_path(folder)
    for removed in find_aside(target, REMOVED):
        shutil.rmtree(removed, ignore_errors=True)
    # Of two, the one that started last replaced the other, whose deletion failed.
    for aside in sorted(find_aside(target), key=_started, reverse=True):
        with suppress(RunIsLocked), run_lock(aside, run=folder):
            if settle(target, aside):
                (target / names.LOCK).unlink(missing_ok=True)
                warn_caller(RESTORED.format(folder), RestoredWarning)


def _started(folder: Path) -> float:
    """When the run in a folder started, in seconds; 0 if that cannot be read."""
    try:
        return read_record(folder).started.timestamp()
    except RunError:
        return 0.0


def recover_all(root: Path) -> None:
    """As `recover`, for every run in the folder `root`.

    A run that cannot be put back is reported by a warning, so that the others remain usable.
    """
    found = [_ASIDE_OR_REMOVED.fullmatch(name) for name in _names_in(root)]
    for name in sorted({match[1] for match in found if match}):
        try:
            recover(root / name)
        except ConfigError as error:
            warn_caller(str(error), NotRestoredWarning)


def is_aside(folder: Path) -> bool:
    """Whether a directory has the name of one that was set aside."""
    return _ASIDE_OR_REMOVED.fullmatch(folder.name) is not None


def require_settled(folder: Path, but: Path | None = None) -> None:
    """Raise `RunIsLocked` if a process is replacing the run in `folder`.

    Args:
        folder: The run directory.
        but: A run that this process itself set aside.
    """
    for aside in find_aside(real_path(folder)):
        if aside != but:
            raise RunIsLocked(f"{folder} is being trained by {holder(aside)}.")


def find_aside(target: Path, pattern: str = ASIDE) -> list[Path]:
    """The directories beside `target` that hold a run that was there."""
    name = re.compile(re.escape(pattern.format(target.name, "")) + "[0-9a-f]{8}")
    found = [target.with_name(other) for other in _names_in(target.parent) if name.fullmatch(other)]
    return sorted(
        path
        for path in found
        if path.is_dir() and not path.is_symlink() and not directory.foreign_names(path)
    )


def real_path(folder: Path) -> Path:
    """The path of a folder without links; unlike `Path.resolve` it accepts a circle of links."""
    with suppress(ValueError):  # a null character
        return Path(os.path.realpath(folder))
    return folder


def _names_in(folder: Path) -> list[str]:
    """The names in a folder; none if it cannot be listed."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):  # a null character is in no name
        return []
