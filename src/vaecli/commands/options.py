"""What commands share: options that read the same everywhere, inputs and outputs."""

import os
import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import ConfigError, ResourceError

if TYPE_CHECKING:
    from ..run import Run


def option(*names: str, help: str, **more: Any) -> Any:
    """An option that the environment variable VAECLI_<NAME> can stand in for."""
    long = next(name for name in names if name.startswith("--"))
    variable = "VAECLI_" + long.removeprefix("--").replace("-", "_").upper()
    return typer.Option(*names, help=help, envvar=variable, show_envvar=False, **more)


def output_option(default: str) -> Any:
    """The option `-o`; `default` says in words where the result goes without it."""
    help = f"File to write; its ending chooses the format; - is stdout. [default: {default}]"
    return typer.Option("--output", "-o", help=help, show_default=False)


RUN_DIR = option(
    "--run-dir",
    "-r",
    help="Run directory or checkpoint to read. [default: the newest run under runs/]",
    show_default=False,
)
RunDir = Annotated[Path | None, RUN_DIR]
Seed = Annotated[int, option("--seed", help="Seed of the random numbers, 0 or more.", min=0)]
Split = Annotated[Literal["train", "test"], typer.Option(help="The images to take.")]


def given(context: typer.Context, names: Iterable[str]) -> dict[str, Any]:
    """The options among `names` that a flag or an environment variable set."""
    values = {}
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT"):
            values[name] = context.params[name]
    return values


def read_run(run_dir: Path | None) -> "Run":
    """The run that `-r` names; without it the newest, which is then named on stderr."""
    from .. import run as runs

    if run_dir is not None:
        return runs.open(run_dir)
    run = runs.latest()
    say(f"Reading {run.folder}, the newest run; -r chooses another.")
    return run


def place(chosen: Path | None, run: "Run", name: str, endings: Collection[str]) -> tuple[Path, str]:
    """Where a result goes, and the ending that says its format.

    Args:
        chosen: What `-o` names, if it was given.
        run: Its directory takes the result without `-o`.
        name: What the file is called there.
        endings: Those of the formats there are, the default first.
    """
    path = run.folder / name if chosen is None else chosen
    try:
        device = path.exists() and not path.is_file() and not path.is_dir()
    except OSError as error:
        raise ConfigError(f"Cannot write {path}: {error.strerror}.") from error
    nameless = str(path) == "-" or device
    ending = next(iter(endings)) if nameless else path.suffix.lower()
    if ending not in endings:
        raise ConfigError(
            f"{path}: a file's ending chooses its format; use one of {', '.join(endings)}."
        )
    return path, ending


def deliver(content: bytes, path: Path) -> None:
    """Write a result to its file and print the file's path, or write it to stdout for `-`."""
    from .. import files

    if str(path) != "-":
        files.write(path, content)
        announce(path)
    elif sys.stdout is None or sys.stdout.isatty():
        raise ConfigError("-o - writes binary data: send it to a file or a pipe, not a terminal.")
    else:
        _write_out(content)


def announce(path: Path) -> None:
    """Print a result's path as its bytes are, whatever the encoding of the terminal."""
    if sys.stdout is not None:  # it is closed: nobody wants to know
        _write_out(os.fsencode(path) + os.linesep.encode())


def _write_out(content: bytes) -> None:
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # the reader has what it wanted
    except OSError as error:
        raise ResourceError(f"Cannot write to stdout: {error.strerror}.") from error


def say(line: str) -> None:
    """One line on stderr, as it is: no markup, no wrapping. A closed stderr is no failure."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
