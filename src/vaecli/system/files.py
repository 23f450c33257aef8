"""Atomic file writes, and reads of ordinary files only."""

import errno
import json
import os
import re
import secrets
import stat
from pathlib import Path
from typing import IO, Any

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
        raise write_error(error, f"{path} ({len(content):,} bytes)") from error


_WRONG_PATH = (
    FileExistsError,
    FileNotFoundError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
)
_WRONG_PLACE = (errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)


def write_error(error: OSError, what: str) -> ConfigError | ResourceError:
    """The error of ours that says why `what` could not be written: a wrong path, or a full disk."""
    is_wrong_path = isinstance(error, _WRONG_PATH) or error.errno in _WRONG_PLACE
    kind = ConfigError if is_wrong_path else ResourceError
    return kind(f"Cannot write {what}: {error.strerror or error}.")


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
    with os.fdopen(_open_ordinary(path, os.O_RDONLY), "rb") as file:
        content = b""
        size = os.fstat(file.fileno()).st_size
        if size <= limit:
            content = file.read(limit + 1)  # a file of /proc has no size, and may have no end
        if max(size, len(content)) > limit:
            raise OSError(errno.EINVAL, f"it has more than {limit:,} bytes", str(path))
        return content


def open_log(path: Path) -> IO[str]:
    """An ordinary file, opened to append text to it; it is made if there is none.

    Raises:
        OSError: It cannot be written, or is a link or no ordinary file; `strerror` says which.
    """
    if path.is_symlink():  # what it leads to may be anything
        raise OSError(errno.EINVAL, "it is a link", str(path))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    handle = _open_ordinary(path, flags)
    return os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace")


def _open_ordinary(path: Path, flags: int) -> int:
    """The handle of an ordinary file; opening a pipe or a device does not wait for it."""
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags, 0o666)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "it is not an ordinary file", str(path))


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
