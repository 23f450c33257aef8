"""Specs such as `mlp:width=64`: parsed, checked against a part's signature, and formatted."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..system.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import ValidationError

T = TypeVar("T")


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """The entry called `name`, or a `ConfigError` that offers the nearest names."""
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"Unknown {kind} {name!r}.{hint} Choose from: {', '.join(table)}.")


def schema(part: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The options of a part by name: the parameters of its constructor that have a default."""
    parameters = inspect.signature(part, eval_str=True).parameters
    return {name: p for name, p in parameters.items() if p.default is not p.empty}


def choose(
    spec: str, table: Mapping[str, Callable[..., T]], kind: str
) -> tuple[Callable[..., T], dict[str, Any]]:
    """`"mlp:width=64"` to `(MLP, {"width": 64, "depth": 2})`, with every option filled in."""
    name, _, rest = spec.partition(":")
    part = lookup(table, name, kind)
    known = schema(part)
    options = {name: parameter.default for name, parameter in known.items()}
    for item in rest.split(",") if rest else []:
        option, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"{kind} {spec!r}: write {item!r} as option=value.")
        if not known:
            raise ConfigError(f"{kind} {spec!r}: {name} takes no options.")
        parameter = lookup(known, option, f"option of {name}")
        options[option] = _convert(text, parameter, f"{kind} {spec!r}")
    return part, options


def spell(spec: str, options: Mapping[str, Any]) -> str:
    """The spec with all its options written out: `"mlp"` to `"mlp:width=400,depth=2"`."""
    name = spec.partition(":")[0]
    written = ",".join(f"{option}={value}" for option, value in options.items())
    return f"{name}:{written}" if written else name


def _convert(text: str, parameter: inspect.Parameter, where: str) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(parameter.annotation, config=ConfigDict(allow_inf_nan=False))
        return adapter.validate_python(text)
    except ValidationError as error:
        raise ConfigError(f"{where}: {parameter.name}={text}: {_reason(error)}.") from None


def _reason(error: "ValidationError") -> str:
    return error.errors()[0]["msg"].removeprefix("Input ")
