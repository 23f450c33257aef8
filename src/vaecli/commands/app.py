"""The command line: its table of commands, and what happens when one fails."""

import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NoReturn

import typer

from ..system import machine
from ..system.errors import ConfigError, EndedByAnother
from ..system.process_variables import is_one_of_several, launched, started_rank
from ..system.version import __version__
from ..terminal.completion import refuse_broken_request
from ..terminal.failures import format_warning, report_failure
from ..terminal.help import GroupedCommand, examples
from ..terminal.output import print_stderr
from . import (
    classify,
    data_cache,
    data_check,
    data_download,
    embed,
    evaluate,
    export,
    parts,
    plot_loss,
    reconstruct,
    refit,
    sample,
    schema,
    train,
    tune,
)

# A command is the function that has its module's name; the order is that of `vaecli --help`.
COMMANDS = (
    train,
    tune,
    sample,
    reconstruct,
    embed,
    evaluate,
    classify,
    refit,
    export,
    plot_loss,
    parts,
    schema,
)

# Commands of `vaecli data`, each the function that has its module's name without `data_`.
DATA_COMMANDS = (data_check, data_download, data_cache)

# Plain help: rich's panels would double the time of --help.
OPTIONS: dict[str, Any] = {
    "invoke_without_command": True,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
app = typer.Typer(name="vaecli", add_completion=True, **OPTIONS)
data = typer.Typer(name="data", **OPTIONS)


class TorchCommand(GroupedCommand):
    """A command that runs only where torch can be imported; its help is shown anywhere."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        machine.require_address_space()
        if not is_one_of_several() and ctx.params.get("devices", 1) == 1:
            return super().invoke(ctx)
        return self._invoke_on_several(ctx)

    def _invoke_on_several(self, ctx: Any) -> Any:
        """Start the processes that are asked for, or work in one that was started so."""
        from ..experiments.follow import follow
        from ..system.group import join
        from ..system.launcher import launch
        from ..system.processes import is_first

        devices = ctx.params.get("devices")
        if not is_one_of_several():
            raise typer.Exit(launch(devices))
        if devices is None:
            _let_first_refuse(f"{ctx.command_path} works in one process: start no others.")
        if devices > 1 and not launched():
            _let_first_refuse("torchrun has started the processes: leave out --devices.")
        is_training = ctx.info_name == "train"
        with join(others_wait=is_training):
            return super().invoke(ctx) if is_first() or not is_training else follow()


def _let_first_refuse(text: str) -> NoReturn:
    """End every process; process 0 says why."""
    raise EndedByAnother(ConfigError.status) if started_rank() else ConfigError(text)


def _add_commands(group: typer.Typer, modules: Iterable[ModuleType], prefix: str = "") -> None:
    for module in modules:
        name = module.__name__.rpartition(".")[2].removeprefix(prefix)
        command = group.command(cls=TorchCommand, epilog=examples(module.EXAMPLES))
        command(getattr(module, name))


_add_commands(app, COMMANDS)
_add_commands(data, DATA_COMMANDS, "data_")
app.add_typer(data)


def _require_command(context: typer.Context) -> None:
    """Show the help of a group on stderr, as an error, if no command of it is given."""
    if context.invoked_subcommand is None:
        print_stderr(context.get_help())
        raise typer.Exit(2)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"vaecli {__version__}")
        raise typer.Exit


@app.callback(epilog=examples(["vaecli train --epochs 5", "vaecli sample -n 64 -o grid.png"]))
def vaecli(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Train variational autoencoders, then sample, reconstruct, embed, evaluate and plot."""
    _require_command(context)


@data.callback(epilog=examples([*data_check.EXAMPLES[:1], *data_download.EXAMPLES[:1]]))
def _data(context: typer.Context) -> None:
    """Check images, download data sets, clear the cache."""
    _require_command(context)


def run() -> None:
    """Run the command line; print in one or two lines what failed, and exit with its status."""
    _show_warnings()
    try:
        _refuse_broken_text()
        _refuse_lost_folder()
        refuse_broken_request(os.environ)
        status = app(standalone_mode=False, prog_name="vaecli")
        if sys.stdout is not None:
            sys.stdout.flush()
    except Exception as error:
        status = report_failure(error)
    except SystemExit as stop:
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        status = report_failure(stop.__context__)  # typer would exit with 1
    sys.exit(status)


def _show_warnings() -> None:
    """Show warnings as one line each, even where Python is told to make errors of them."""
    warnings.formatwarning = format_warning
    actions = [option.partition(":")[0] for option in sys.warnoptions]
    if any(action and "error".startswith(action) for action in actions):
        warnings.simplefilter("default")


def _refuse_broken_text() -> None:
    """Raise for arguments that are not UTF-8: they could be neither written to JSON nor printed."""
    variables = [value for name, value in os.environ.items() if name.startswith("VAECLI_")]
    for text in (*sys.argv, *variables):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"{text!r} is not UTF-8 text.") from None


def _refuse_lost_folder() -> None:
    """Raise if the current folder was deleted: torch would end the process with its own message."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise ConfigError("The current folder no longer exists: change to another one.") from None
