"""Atomic file writes."""

import errno
import os
import re
import secrets
import stat
from pathlib import Path
from typing import TextIO

from .errors import ConfigError, ResourceError


def write_atomic(path: Path, content: bytes) -> None:
    """Replace the file at `path` by one with this content, or leave the old file unchanged.

    The bytes go to a temporary file in the same folder. They are flushed to disk before that file
    is renamed to `path`. A device or a pipe cannot be replaced and is written to directly.

    Raises:
        ConfigError: The folder is missing or not writable, or `path` is a folder.
        ResourceError: The disk is full.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
        else:
            _replace(path, content)
    except OSError as error:
        is_wrong_path = isinstance(error, _WRONG_PATH) or error.errno == errno.EROFS
        kind = ConfigError if is_wrong_path else ResourceError
        reason = error.strerror or error
        raise kind(f"Cannot write {path} ({len(content):,} bytes): {reason}.") from error


_WRONG_PATH = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


def _replace(path: Path, content: bytes) -> None:
    if path.is_dir():
        raise IsADirectoryError(0, "it is a folder; name a file in it")
    temporary = path.with_name(f".tmp-{secrets.token_hex(4)}")  # see `is_temporary`
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def is_temporary(path: Path) -> bool:
    """Whether `write_atomic` made this file for itself."""
    return re.fullmatch(r"\.tmp-[0-9a-f]{8}", path.name) is not None and is_ordinary(path)


def is_ordinary(path: Path) -> bool:
    """Whether there is a regular file here, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def open_log(path: Path) -> TextIO:
    """A text file to append to, made if it is missing; links are not followed.

    Raises:
        ConfigError: It cannot be opened, or is a link, a device, a pipe or a folder.
    """
    try:
        if os.path.lexists(path) and not is_ordinary(path):
            raise ConfigError(f"Cannot write {path}: it is not an ordinary file.")
        return path.open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(f"Cannot write {path}: {error.strerror}.") from error


def sync_folder(folder: Path) -> None:
    """Flush a rename in `folder` to disk, so that it survives a power failure."""
    if os.name == "nt":  # Windows cannot open folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
