"""Results on stdout, messages on stderr."""

import json
import math
import os
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..system import files
from ..system.errors import ConfigError, ResourceError
from ..system.text import escape_controls

if TYPE_CHECKING:
    from ..run.run import Run  # its import takes pydantic, which --help must not wait for


def output_path(
    chosen: Path | None, run: "Run", name: str, endings: Collection[str], as_json: bool = False
) -> tuple[Path, str]:
    """Where a result goes, and the file ending that chooses its format.

    Args:
        chosen: What `-o` names, if it was given.
        run: Its directory takes the result without `-o`.
        name: Name of the file there.
        endings: Those of the known formats, the default first.
        as_json: Whether stdout gets JSON, so that the file must go elsewhere.

    Raises:
        ConfigError: The ending is not one of them, or two results would go to stdout.
    """
    if as_json and str(chosen) == "-":
        raise ConfigError("--json and a file called - both write to stdout: name another file.")
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


def write_result(
    content: bytes, path: Path, as_json: bool = False, described: Mapping[str, Any] | None = None
) -> None:
    """Write a result to its file and print the path, or write it to stdout if the path is `-`.

    Args:
        content: What is written.
        path: The file.
        as_json: Print no path, but what describes the result.
        described: This description; None if it comes later.
    """
    if str(path) != "-":
        files.write_atomic(path, content)
        if not as_json:
            print_path(path)
        elif described is not None:
            print_json(described)
    elif sys.stdout is None or sys.stdout.isatty():
        raise ConfigError("-o - writes binary data: send it to a file or a pipe, not a terminal.")
    else:
        _write_stdout(content)


def print_finished_run(path: Path, result: Mapping[str, Any] | None = None) -> None:
    """Print the path of a run that is trained, or what is said of it as JSON.

    A reader of stdout that has left is no failure.
    """
    try:
        if result is None:
            print_path(path)
        else:
            print_json(result)
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


def print_json(result: Mapping[str, Any]) -> None:
    """Print a result as one line of strict JSON: numbers that are not finite are null."""
    print_result(json.dumps(_with_nulls(result), allow_nan=False))


def _with_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_nulls(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nulls(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


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
