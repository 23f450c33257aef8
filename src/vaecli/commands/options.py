"""What commands share: options that read the same everywhere, inputs and outputs."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import typer

from ..config.config import Config, Doc
from ..system.errors import ConfigError, ResourceError

if TYPE_CHECKING:
    from ..run import Run

Command = TypeVar("Command", bound=Callable[..., None])
PLAIN = Parameter.POSITIONAL_OR_KEYWORD
Mode = Literal["auto", "bar", "plain", "none"]


def option(*names: str, help: str, **more: Any) -> Any:
    """An option that the environment variable VAECLI_<NAME> can stand in for."""
    long = next(name for name in names if name.startswith("--"))
    variable = "VAECLI_" + long.removeprefix("--").replace("-", "_").upper()
    return typer.Option(*names, help=help, envvar=variable, show_envvar=False, **more)


def output_option(default: str) -> Any:
    """The option `-o`; `default` says in words where the result goes without it."""
    help = f"File to write; its ending chooses the format; - is stdout. [default: {default}]"
    return typer.Option("--output", "-o", help=help, show_default=False)


def settings() -> Iterator[Parameter]:
    """The fields of a configuration as parameters of a command that `takes` them."""
    kinds: dict[str, Any] = get_type_hints(Config)
    for name, annotated in get_type_hints(Config, include_extras=True).items():
        for doc in (note for note in get_args(annotated) if isinstance(note, Doc)):
            flag = option(f"--{name.replace('_', '-')}", help=doc.text, metavar=doc.placeholder)
            kind, default = Annotated[kinds[name], flag], getattr(Config, name)
            yield Parameter(name, PLAIN, default=default, annotation=kind)


def takes(settings: Iterable[Parameter]) -> Callable[[Command], Command]:
    """Let a command take these options before its own; they reach it by their names."""

    def add(command: Command) -> Command:
        context, *own, _ = signature(command).parameters.values()  # the last is **settings
        command.__signature__ = Signature([context, *settings, *own])  # type: ignore[attr-defined]
        return command

    return add


RUN_DIR = option(
    "--run-dir",
    "-r",
    help="Run directory or checkpoint to read. [default: the newest run under runs/]",
    show_default=False,
)
RunDir = Annotated[Path | None, RUN_DIR]
Seed = Annotated[int, option("--seed", help="Seed of the random numbers, 0 or more.", min=0)]
Split = Annotated[Literal["train", "validation", "test"], typer.Option(help="The images to take.")]
Checkpoint = Annotated[
    Literal["last", "best"] | None,
    typer.Option(
        help="Which one to read. [default: best if there is one, else last]", show_default=False
    ),
]

# Those of `sample`.
Count = Annotated[int, typer.Option("--count", "-n", help="Images to draw.", min=1)]
Label = Annotated[
    str | None,
    typer.Option(help="Class to draw, or a row for each; else they take turns.", metavar="K|all"),
]
StyleOf = Annotated[
    int | None, typer.Option(help="Keep the latent of this test image.", metavar="INDEX", min=0)
]
Fit = Annotated[
    Literal["gaussian", "mixture"] | None,
    typer.Option(help="Draw not from the prior, but from what fits the latents of training."),
]
Columns = Annotated[
    int | None,
    typer.Option(help="Images in a row. [default: a square; up to 10 in one row]", min=1),
]

# Those of `train`, beside the fields of a configuration.
Beta = Annotated[
    float | None, option("--beta", help="Weight of the rate: elbo:beta=X.", metavar="X")
]
NewRunDir = Annotated[
    Path | None,
    typer.Option(
        "--run-dir",
        "-r",
        help="Directory to write. [default: the next free runs/<data>-<preset>-<n>]",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run in --run-dir.")]
Resume = Annotated[
    str | None,
    option(
        "--resume",
        help="Go on with a run; auto: the newest unfinished, or start.",
        metavar="RUN|auto",
    ),
]
DataChange = Annotated[
    bool, typer.Option("--allow-data-change", help="Resume on other images than before.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check all, time some batches, and write nothing.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help="JSON file of options, such as a run's config.json.", metavar="FILE"
    ),
]
Progress = Annotated[
    Mode, option("--progress", help="How progress is shown; auto: bar on a terminal.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only warnings, errors and the result.")
]


def given(context: typer.Context, names: Iterable[str]) -> dict[str, Any]:
    """The options among `names` that a flag or an environment variable set."""
    values = {}
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT"):
            values[name] = context.params[name]
    return values


def read_run(run_dir: Path | None, checkpoint: Literal["last", "best"] | None = None) -> "Run":
    """The run that `-r` names; without it the newest, which is then named on stderr."""
    from .. import run as runs

    if run_dir is not None:
        if checkpoint and run_dir.is_file():
            raise ConfigError("--checkpoint chooses in a run directory, but -r names a file.")
        return runs.open(run_dir, checkpoint)
    run = runs.latest(checkpoint=checkpoint)
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
    from ..system import files

    if str(path) != "-":
        files.write_atomic(path, content)
        announce(path)
    elif sys.stdout is None or sys.stdout.isatty():
        raise ConfigError("-o - writes binary data: send it to a file or a pipe, not a terminal.")
    else:
        _write_out(content)


def announce(path: Path) -> None:
    """Print a result's path as its bytes are, whatever the encoding of the terminal."""
    if sys.stdout is not None:  # it is closed: nobody wants to know
        _write_out(os.fsencode(path) + os.linesep.encode())


def announce_text(text: str) -> None:
    """Print a result that is text."""
    if sys.stdout is not None:
        _write_out((text + os.linesep).encode(sys.stdout.encoding or "utf-8", "replace"))


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
