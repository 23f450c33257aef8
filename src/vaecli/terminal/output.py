"""Results on stdout, messages on stderr."""

import os
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..system import files
from ..system.errors import ConfigError, ResourceError
from ..system.text import escape_controls

if TYPE_CHECKING:
    from ..run.run import Run  # its import takes pydantic, which --help must not wait for


def output_path(
    chosen: Path | None, run: "Run", name: str, endings: Collection[str]
) -> tuple[Path, str]:
    """Where a result goes, and the file ending that chooses its format.

    Args:
        chosen: What `-o` names, if it was given.
        run: Its directory takes the result without `-o`.
        name: Name of the file there.
        endings: Those of the known formats, the default first.

    Raises:
        ConfigError: The ending is not one of them.
    """
    return checked_path(run.folder / name if chosen is None else chosen, endings)


def checked_path(path: Path, endings: Collection[str]) -> tuple[Path, str]:
    """A file to write, and the file ending that chooses its format.

    Args:
        path: What the user named.
        endings: Those of the known formats, the default first.

    Raises:
        ConfigError: The ending is not one of them.
    """
    try:
        is_device = path.exists() and not path.is_file() and not path.is_dir()
    except OSError as error:
        raise ConfigError(f"Cannot write {path}: {error.strerror}.") from error
    ending = path.suffix.lower()
    if is_device or str(path) == "-":
        ending = next(iter(endings))
    if ending not in endings:
        raise ConfigError(
            f"{path}: the file ending chooses the format; use one of {', '.join(endings)}."
        )
    return path, ending


def refuse_same_output(table: Path | None, plot: Path | None) -> None:
    """Raise a `ConfigError` if both results of `embed` go to one place, such as stdout."""
    if table is not None and table == plot:
        raise ConfigError(f"-o and --plot both name {table}: name another file for one of them.")


def write_result(content: bytes, path: Path) -> None:
    """Write a result to its file and print the path, or write it to stdout if the path is `-`."""
    if str(path) != "-":
        files.write_atomic(path, content)
        print_path(path)
    elif sys.stdout is None or sys.stdout.isatty():
        raise ConfigError("-o - writes binary data: send it to a file or a pipe, not a terminal.")
    else:
        _write_stdout(content)


def print_finished_run(path: Path) -> None:
    """Print the path of a run that is trained. A reader of stdout that has left is no failure."""
    try:
        print_path(path)
    except BrokenPipeError:
        silence_stdout()


def silence_stdout() -> None:
    """Send stdout to the null device. Else Python complains at its end if the reader has left."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_path(path: Path) -> None:
    """Print a path as its bytes are, whatever the encoding; on a terminal without controls."""
    if sys.stdout is None:
        return
    text = str(path)
    if sys.stdout.isatty():
        text = escape_controls(text)
    _write_stdout(os.fsencode(text) + os.linesep.encode())


def print_result(text: str) -> None:
    """Print a result that is text."""
    if sys.stdout is not None:
        _write_stdout((text + os.linesep).encode(sys.stdout.encoding or "utf-8", "replace"))


def _write_stdout(content: bytes) -> None:
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # the reader has what it wanted: no error of ours
    except OSError as error:
        raise ResourceError(f"Cannot write to stdout: {error.strerror}.") from error


def print_stderr(line: str) -> None:
    """Print a line on stderr without markup or wrapping, its control characters escaped.

    A closed stderr is no error.
    """
    with suppress(OSError):
        print(escape_controls(line), file=sys.stderr, flush=True)
