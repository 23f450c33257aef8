"""Commands with their arguments and options as data, read from typer."""

import inspect
from collections.abc import Iterator
from typing import Any, get_args

from ..config.config import Config
from ..config.description import Value, describe_field, value_schema

OPTION_UNITS = {
    "columns": "images",
    "count": "images",
    "labels": "images",
    "samples": "latents",
}


def describe_commands(group: Any, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each command, such as "data check", and what there is to say of it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from describe_commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", _describe_command(command)


def describe_options(command: Any) -> dict[str, dict[str, Any]]:
    """The options of a command by their longest flag, without its dashes.

    Those that typer adds, which install the completion, are left out.
    """
    own = inspect.signature(command.callback).parameters
    return {
        max(parameter.opts, key=len).removeprefix("--"): _describe(command, parameter)
        for parameter in command.params
        if _is_option(parameter) and parameter.name in own and not parameter.hidden
    }


def _describe_command(command: Any) -> dict[str, Any]:
    summary, _, more = inspect.cleandoc(command.help).partition("\n")
    return {
        "summary": summary,
        "description": " ".join(more.split()),
        "arguments": {
            parameter.name: _describe(command, parameter)
            for parameter in command.params
            if not _is_option(parameter)
        },
        "options": describe_options(command),
        "examples": [line.strip() for line in command.epilog.splitlines()[2:]],
    }


def _describe(command: Any, parameter: Any) -> dict[str, Any]:
    """An argument or an option: its flags, and its value in the vocabulary of JSON Schema."""
    described: dict[str, Any] = {}
    if _is_option(parameter):
        described |= {"flags": parameter.opts, "off_flags": parameter.secondary_opts}
    described |= {
        "variable": parameter.envvar,
        "required": parameter.required,
        "repeatable": parameter.multiple,
    }
    described |= _value(command, parameter)
    return {**described, "description": parameter.help}


def _value(command: Any, parameter: Any) -> Value:
    """Type, range, default and unit of a value; of one of them, if it can be repeated."""
    name = parameter.name
    if getattr(command.callback, "takes_config", False) and name in Config.__dataclass_fields__:
        return {"config": name, **describe_field(name)}
    annotation = inspect.signature(command.callback, eval_str=True).parameters[name].annotation
    kind, *notes = get_args(annotation)
    schema = value_schema(kind)
    if parameter.multiple:
        schema = schema["items"]
    for note in notes:
        bounds = {"minimum": getattr(note, "min", None), "maximum": getattr(note, "max", None)}
        schema |= {key: bound for key, bound in bounds.items() if bound is not None}
    schema["default"] = parameter.default
    if name in OPTION_UNITS:
        schema["unit"] = OPTION_UNITS[name]
    return schema


def _is_option(parameter: Any) -> bool:
    """Whether it has flags; an argument has none."""
    return bool(parameter.param_type_name == "option")
