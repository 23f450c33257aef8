"""Atomic file writes."""

import errno
import os
import secrets
from pathlib import Path

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
    temporary = path.with_name(f".tmp-{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a rename in `folder` to disk, so that it survives a power failure."""
    if os.name == "nt":  # Windows cannot open folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
