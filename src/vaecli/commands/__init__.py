"""The command line: one module per command, in the order a user meets them.

Only this package knows typer and rich. Importing it imports neither torch nor matplotlib.
"""

import errno
import os
import re
import shlex
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Annotated

import typer

from ..config.config import Config
from ..system.errors import ConfigError, Interrupted, VaecliError
from ..system.version import __version__
from . import classify, embed, evaluate, parts, plot_loss, reconstruct, sample, train
from .options import say

# Plain help: rich's panels would double the time to --help.
app = typer.Typer(
    name="vaecli",
    invoke_without_command=True,
    rich_markup_mode=None,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _epilog(examples: list[str]) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)


for module in (train, sample, reconstruct, embed, evaluate, classify, plot_loss, parts):
    name = module.__name__.rpartition(".")[2]
    app.command(epilog=_epilog(module.EXAMPLES))(getattr(module, name))


def _version(wanted: bool) -> None:
    if wanted:
        print(f"vaecli {__version__}")
        raise typer.Exit


@app.callback(epilog=_epilog(["vaecli train --epochs 5", "vaecli sample -n 64 -o grid.png"]))
def vaecli(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train variational autoencoders, draw from them, reconstruct and embed."""
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(2)


def main() -> None:
    """Run the command line; say in one or two lines what went wrong, and exit with its status."""
    warnings.formatwarning = _one_line
    try:
        _refuse_broken_text()
        status = app(standalone_mode=False, prog_name="vaecli")
        if sys.stdout is not None:
            sys.stdout.flush()
    except Interrupted as error:
        say(str(error))
        status = error.status
    except VaecliError as error:
        status = _fail(with_flags(str(error)), error.status)
    except typer.TyperException as error:
        status = _fail(error.format_message(), error.exit_code)
    except BrokenPipeError:
        status = 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains
    except Exception as error:
        lack = MEMORY if _is_memory(error) else DISK if _is_full(error) else None
        status = _fail(lack, 6) if lack else _fail(_report(error), 1)
    sys.exit(status)


MEMORY = "The memory does not suffice. Try a smaller --batch-size, network or count of images."


DISK = "No space left to write to."


def _is_full(error: Exception) -> bool:
    full = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG")}
    return isinstance(error, OSError) and error.errno in full


def _is_memory(error: Exception) -> bool:
    """Torch raises a RuntimeError when a tensor does not fit, by several texts."""
    told = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in told)
    )


def with_flags(message: str) -> str:
    """A message of the library with its options as flags: `epochs=0` as `--epochs 0`."""

    def flag(match: re.Match[str]) -> str:
        option = f"--{match[1].replace('_', '-')}"
        if match[2] == "True":
            return option
        quoted = match[2][0] in "'\""
        return f"{option} {shlex.quote(match[2][1:-1]) if quoted else match[2]}"

    names = "|".join(Config.__dataclass_fields__)
    value = r"""'[^']*'|"[^"]*"|[\w+-]+(?:\.\w+)?"""
    # Not inside a spec, as in adversarial:labels=true.
    return re.sub(rf"(?<![\w:,'])({names})=({value})", flag, message)


def _one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """How a Python warning is printed, such as that of an old name: without its place."""
    return f"Warning: {message}\n"


def _refuse_broken_text() -> None:
    """Names that are not UTF-8 could be neither written to JSON nor printed."""
    variables = [value for name, value in os.environ.items() if name.startswith("VAECLI_")]
    for text in (*sys.argv, *variables):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"{text!r} is not UTF-8 text.") from None


def _fail(message: str, status: int) -> int:
    say(f"Error: {message}")
    return status


def _report(error: Exception) -> str:
    """What to say of a defect of ours; the traceback goes to a file, or to stderr on demand."""
    text = "".join(traceback.format_exception(error))
    if os.environ.get("VAECLI_DEBUG") == "1":
        say(text)
        return "unexpected; the traceback is above."
    handle, name = tempfile.mkstemp(prefix="vaecli-", suffix=".log", text=True)
    os.close(handle)
    Path(name).write_text(text, encoding="utf-8", errors="backslashreplace")
    return f"unexpected {type(error).__name__}: {error}\nThe traceback is in {name}."
