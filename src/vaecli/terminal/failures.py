"""From an exception to a sentence on stderr and an exit status."""

import errno
import os
import re
import shlex
import sys
import tempfile
import traceback
from pathlib import Path

import typer

from ..config.config import Config
from ..system.errors import (
    ConfigFileError,
    EndedByAnother,
    Interrupted,
    NoTrialCompleted,
    RunError,
    VaecliError,
    is_out_of_memory,
)
from ..system.process_variables import started_rank
from ..system.text import escape_controls
from .output import print_stderr, silence_stdout

UNEXPECTED = 1
RESOURCES = 6
READER_LEFT = 141  # 128 + SIGPIPE, as a shell says it
OUT_OF_MEMORY = "Out of memory. Try a smaller --batch-size, a smaller network or fewer images."
# Options of commands that the library names in its messages, beside the fields of Config.
COMMAND_OPTIONS = (
    "beta",
    "card",
    "columns",
    "count",
    "devices",
    "fit",
    "format",
    "label",
    "license",
    "method",
    "metrics",
    "samples",
    "scale",
    "search",
    "split",
    "style_of",
)
DISK_FULL = "No space left to write to."


def report_failure(error: Exception) -> int:
    """Print what went wrong in one or two lines; the exit status."""
    if isinstance(error, EndedByAnother):
        return error.status
    if isinstance(error, Interrupted):
        print_stderr(str(error))
        return error.status
    if isinstance(error, VaecliError):
        return _print_error(error_text(error), error.status)
    if isinstance(error, typer.TyperException):
        if started_rank():
            return error.exit_code  # process 0 says it
        # typer shows what kind of error a choice is
        message = error.format_message().replace(": Value error, ", ": ")
        return _print_error(message, error.exit_code)
    if isinstance(error, BrokenPipeError):
        silence_stdout()
        return READER_LEFT
    if is_out_of_memory(error):
        return _print_error(OUT_OF_MEMORY, RESOURCES)
    if _is_disk_full(error):
        return _print_error(DISK_FULL, RESOURCES)
    return _print_error(_describe_defect(error), UNEXPECTED)


def _print_error(message: str, status: int) -> int:
    number = started_rank()
    print_stderr(f"Error: {f'Process {number}: ' * (number > 0)}{message}")
    return status


def _is_disk_full(error: Exception) -> bool:
    # Some systems lack some of the names.
    full = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG")}
    return isinstance(error, OSError) and error.errno in full


def _describe_defect(error: Exception) -> str:
    """What to say of a defect of ours. The traceback goes to a file, or to stderr on demand."""
    text = "".join(traceback.format_exception(error))
    if os.environ.get("VAECLI_DEBUG") == "1":
        print_stderr(text)
        return "unexpected; the traceback is above."
    try:
        handle, name = tempfile.mkstemp(prefix="vaecli-", suffix=".log", text=True)
        os.close(handle)
        Path(name).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError:  # no folder for temporary files, or it is full
        print_stderr(text)
        return f"unexpected {type(error).__name__}: {error}\nThe traceback is above."
    return f"unexpected {type(error).__name__}: {error}\nThe traceback is in {name}."


def error_text(error: VaecliError) -> str:
    """What an error says on the command line."""
    is_from_file = isinstance(error, RunError | ConfigFileError)
    if is_from_file and not isinstance(error, NoTrialCompleted):
        return str(error)  # what a file holds was not typed as an option
    return with_flags(str(error))


def with_flags(message: str) -> str:
    """A message of the library with its options as flags: `epochs=0` as `--epochs 0`.

    Text that the user typed, such as a folder that is called `lr=0.1`, stays as it is.
    """
    typed = " ".join(map(_typed_value, sys.argv[1:]))

    def flag(match: re.Match[str]) -> str:
        if match[0] in typed:
            return match[0]
        option = _flag(match[1])
        value = match[2]
        if value == "True":
            return option
        if value == "False":
            return f"--no-{option.removeprefix('--')}"
        if value[0] in "'\"":
            value = shlex.quote(value[1:-1])
        return f"{option} {value}"

    names = "|".join((*Config.__dataclass_fields__, *COMMAND_OPTIONS))
    value = r"""'[^']*'|"[^"]*"|[\w+-]+(?:\.\w+)?"""
    # Neither in a spec, as in adversarial:labels=true, nor in a path, as in runs/seed=1/run.json.
    # A range, as of lr=1e-4..1e-2, is no value.
    pattern = rf"(?<![\w:,'./\\-])({names})=((?>{value}))(?![/\\]|\.\.)"
    message = re.sub(pattern, flag, message)
    return re.sub(
        r"The option '(\w+)' is (now called|the old name of) '(\w+)'",
        lambda match: f"{_flag(match[1])} is {match[2]} {_flag(match[3])}",
        message,
    )


def _typed_value(word: str) -> str:
    """The value in a word of the command line: `a` of `a`, `--run-dir=a` and `-ra`."""
    if word.startswith("--"):
        return word.partition("=")[2]
    if word.startswith("-"):
        return word[2:]
    return word


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def format_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A Python warning, such as that of an old name, as one line without its place in the code."""
    return f"Warning: {escape_controls(with_flags(str(message)))}\n"
