"""The fields of `Config` as options of `vaecli train`, and which of them were given."""

from collections.abc import Callable, Iterable, Iterator
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from ..config import aliases
from ..config.config import PART_KINDS, Config, OptionHelp
from .completion import TABLES, complete_data_set, complete_part, complete_preset
from .options import DISPLAY, option

Command = TypeVar("Command", bound=Callable[..., None])

# The groups of `vaecli train --help`, in order.
MOST_USED = "Most used"
MODEL = "Model"
DATA = "Data"
TRAINING = "Training"
RUN = "Run directory"
GROUPS = {
    MOST_USED: ("data", "image_size", "preset", "epochs", "latent_dim"),
    MODEL: (
        "posterior",
        "prior",
        "fitted_prior",
        "likelihood",
        "objective",
        "network",
        "conditional",
    ),
    DATA: (
        "channels",
        "resize",
        "test_fraction",
        "skip_bad",
        "data_dir",
        "binarize",
        "labels",
        "train_images",
        "test_images",
        "validation",
    ),
    TRAINING: (
        "batch_size",
        "lr",
        "lr_schedule",
        "lr_warmup",
        "optimizer",
        "patience",
        "max_time",
        "on_nan",
        "seed",
        "device",
        "threads",
        "precision",
        "compile",
    ),
    RUN: ("save_every", "sample_every"),
}

# Others than the name of the field; with --from, the default is that of the run.
FLAGS = {"conditional": "--conditional/--no-conditional"}


def config_options() -> Iterator[tuple[str, Parameter]]:
    """The fields of `Config` as parameters of a command, each with its group, group by group.

    Old names of fields are hidden options.
    """
    kinds: dict[str, Any] = get_type_hints(Config)
    annotations = get_type_hints(Config, include_extras=True)
    for group, names in GROUPS.items():
        for name in names:
            (help,) = (note for note in get_args(annotations[name]) if isinstance(note, OptionHelp))
            flag = option(
                FLAGS.get(name, f"--{name.replace('_', '-')}"),
                help=help.text,
                metavar=help.placeholder,
                rich_help_panel=group,
                show_default=name not in FLAGS,
                autocompletion=_completion(name),
            )
            yield group, _parameter(name, name, kinds[name], flag)
    for old, name in aliases.KEYS.items():
        flag = option(f"--{old.replace('_', '-')}", help="Old name.", hidden=True)
        yield DISPLAY, _parameter(old, name, kinds[name], flag)


def _parameter(name: str, field: str, kind: Any, flag: Any) -> Parameter:
    """A parameter called `name` for a field of `Config`; a spec is given as text.

    The default is for the help text only, since `explicit_options` leaves it out. Of a spec it is
    the name of the part: `vaecli parts NAME` shows the defaults of its options.
    """
    default = getattr(Config, field)
    if field in PART_KINDS:
        kind = str
        default = default.name
    return Parameter(
        name,
        Parameter.POSITIONAL_OR_KEYWORD,
        default=default,
        annotation=Annotated[kind, flag],
    )


def _completion(name: str) -> Callable[[str], list[str]] | None:
    if name == "preset":
        return complete_preset
    if name == "data":
        return complete_data_set
    if name in TABLES:
        return complete_part(name)
    return None


def takes_config(command: Command) -> Command:
    """Let a command take the fields of `Config`; they reach it by keyword.

    Its own options stand at the end of their groups.
    """
    context, *own, _ = signature(command).parameters.values()  # the last is **fields
    grouped: dict[str, list[Parameter]] = {}
    for group, parameter in config_options():
        grouped.setdefault(group, []).append(parameter)
    for parameter in own:
        (info,) = (note for note in get_args(parameter.annotation) if hasattr(note, "envvar"))
        grouped.setdefault(info.rich_help_panel, []).append(parameter)
    ordered = [parameter for parameters in grouped.values() for parameter in parameters]
    command.__signature__ = Signature([context, *ordered])  # type: ignore[attr-defined]
    command.takes_config = True  # type: ignore[attr-defined]
    return command


def explicit_options(context: typer.Context, names: Iterable[str]) -> dict[str, Any]:
    """The options among `names` that a flag or an environment variable set."""
    values = {}
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT"):
            values[name] = context.params[name]
    return values
