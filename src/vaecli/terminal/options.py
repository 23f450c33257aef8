"""Options that several commands share, with the same name and help in all of them."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .completion import complete_run

DISPLAY = "Display"  # group of options in help pages


def option(*names: str, help: str, **more: Any) -> Any:
    """An option that the environment variable VAECLI_<NAME> can set."""
    long = next(name for name in names if name.startswith("--")).partition("/")[0]
    variable = "VAECLI_" + long.removeprefix("--").replace("-", "_").upper()
    return typer.Option(*names, help=help, envvar=variable, show_envvar=False, **more)


def output_option(default: str, formats: str) -> Any:
    """The option `-o`.

    Args:
        default: Says where the result goes without it.
        formats: The file extensions that choose a format.
    """
    help = f"File to write ({formats}), or - for stdout. [default: {default}]"
    return typer.Option("--output", "-o", help=help, metavar="FILE", show_default=False)


def devices_option(**more: Any) -> Any:
    """The option `--devices` of the commands that several processes do together."""
    help = "Processes on this machine, one per GPU, or sharing the CPU."
    return option("--devices", help=help, metavar="N", min=1, **more)


RUN_DIR = option(
    "--run-dir",
    "-r",
    help="Run directory or checkpoint to read. [default: the newest run under runs/]",
    metavar="RUN",
    show_default=False,
    autocompletion=complete_run,
)
RunDir = Annotated[Path | None, RUN_DIR]
Seed = Annotated[
    int, option("--seed", help="Seed of the random numbers, 0 or more.", metavar="N", min=0)
]
Split = Annotated[
    Literal["train", "validation", "test"] | None,
    typer.Option(help="Images to read. [default: test]", show_default=False),
]
Input = Annotated[
    list[str] | None,
    typer.Option(
        help="Read these images instead of a split, prepared as in training: a file, a folder, an "
        "archive or a table; can be repeated. -: a list of paths on stdin.",
        metavar="PATH",
        show_default=False,
    ),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out images of --input that cannot be read.")
]
Checkpoint = Annotated[
    Literal["last", "best"] | None,
    typer.Option(
        help="Checkpoint to read. [default: best if there is one, else last]",
        show_default=False,
    ),
]
Progress = Annotated[
    Literal["auto", "bar", "plain", "none"],
    option(
        "--progress",
        help="How progress is shown; auto: a bar on a terminal.",
        rich_help_panel=DISPLAY,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print only warnings, errors and the result.",
        rich_help_panel=DISPLAY,
    ),
]
Devices = Annotated[int, devices_option()]
Scale = Annotated[
    int | None,
    typer.Option(
        help="Enlarge each pixel N times; 1: raw pixels, without labels. [default: until the "
        "longer side has 480 pixels]",
        metavar="N",
        min=1,
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
Dark = Annotated[
    bool, typer.Option("--dark", help="Light text on a dark background, and dark gaps.")
]
