"""Files that appear whole or not at all."""

import errno
import os
import secrets
from pathlib import Path

from .errors import ConfigError, ResourceError


def write(path: Path, content: bytes) -> None:
    """Replace the file at `path` by one with this content, or leave the old one as it was.

    The bytes go to a sibling temporary file, which reaches the disk before it takes the name.
    A device or a pipe cannot be replaced and is written to directly.

    Raises:
        ConfigError: The folder is missing or closed to writing, or `path` is a folder.
        ResourceError: The disk is full.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
        else:
            _replace(path, content)
    except OSError as error:
        wrong = isinstance(error, _WRONG_PLACE) or error.errno == errno.EROFS
        kind = ConfigError if wrong else ResourceError
        reason = error.strerror or error
        raise kind(f"Cannot write {path} ({len(content):,} bytes): {reason}.") from error


_WRONG_PLACE = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


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
    """Make a rename in `folder` survive a power cut, where the system can."""
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
