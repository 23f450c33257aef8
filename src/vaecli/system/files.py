"""Atomic file writes, and reads of ordinary files only."""

import errno
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

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


def read_file(path: Path, limit: int) -> bytes:
    """The content of an ordinary file, or of a link to one.

    Neither a pipe nor a device makes it wait, and of a file that is too large nothing is read.

    Args:
        path: The file.
        limit: Most bytes that it may have.

    Raises:
        OSError: It cannot be read, is no ordinary file, or has more bytes; `strerror` says which.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not an ordinary file", str(path))
        content = b""
        if status.st_size <= limit:
            with os.fdopen(handle, "rb", closefd=False) as file:
                content = file.read(limit + 1)  # a file of /proc has no size, and may have no end
        if max(status.st_size, len(content)) > limit:
            raise OSError(errno.EINVAL, f"it has more than {limit:,} bytes", str(path))
        return content
    finally:
        os.close(handle)


class RepeatedKeyError(ValueError):
    """An object of a JSON text names a key twice."""


def parse_json(content: bytes | str) -> Any:
    """The value of a JSON text, with or without a byte order mark.

    Raises:
        RepeatedKeyError: An object names a key twice: readers would differ in which value counts.
        ValueError: It is not JSON, not UTF-8, or nested too deep.
    """
    text = content if isinstance(content, str) else content.decode("utf-8-sig")
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RepeatedKeyError(f"it names {twice!r} twice")
    return values
