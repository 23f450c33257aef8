"""Specs such as `mlp:width=64`: the name of a part and its options.

A spec is parsed when the user gives it, resolved against the parts of its kind before a model is
built, and formatted when it is written or shown.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..system.errors import ConfigError
from . import aliases

if TYPE_CHECKING:
    from pydantic import ValidationError

T = TypeVar("T")


@dataclass(frozen=True)
class Spec:
    """The name of a part and its options: `Spec("mlp", {"width": 64})` is `mlp:width=64`.

    Attributes:
        name: Name of the part, in the table of its kind.
        options: Values by option. Parsed values are text; resolved ones have the types of the
            part's constructor, and no option is missing.
        from_file: Whether it was read from a file: old names are then translated without a warning.
        resolved_as: Kind of part it was resolved for, such as `"prior"`; empty before.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    from_file: bool = field(default=False, compare=False, repr=False)
    resolved_as: str = field(default="", init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", dict(self.options))  # not shared with the caller

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.options)))

    def __str__(self) -> str:
        """The text that parses to this spec."""
        if not self.options:
            return self.name
        written = [f"{option}={_format(value)}" for option, value in self.options.items()]
        return f"{self.name}:{','.join(written)}"

    @classmethod
    def parse(cls, text: str, from_file: bool = False) -> Self:
        """Parse `"mlp:width=64"` to `Spec("mlp", {"width": "64"})`; no part is looked up.

        Raises:
            ConfigError: An item is not `option=value`, or an option is given twice.
        """
        name, _, rest = text.partition(":")
        items = rest.split(",") if rest else []
        options: dict[str, str] = {}
        for item in items:
            option, equals, value = item.partition("=")
            if not equals:
                raise ConfigError(f"{text!r}: write {item!r} as option=value.")
            if option in options:
                raise ConfigError(f"{text!r} sets {option} twice: leave one out.")
            options[option] = value
        return cls(name, options, from_file)

    def resolve(self, table: Mapping[str, Callable[..., object]], kind: str) -> Self:
        """The spec with every option of the part, each checked and converted to its type.

        Args:
            table: The parts of this kind by name.
            kind: Kind of the parts, such as `"prior"`.

        Raises:
            ConfigError: The name or an option is unknown, or a value is out of range.
        """
        if self.resolved_as == kind:
            return self
        warn = not self.from_file
        title = kind.replace("_", " ")
        name = aliases.current_name(self.name, table, aliases.PARTS.get(kind, {}), kind, warn)
        known = part_options(lookup(table, name, title))
        given = aliases.current_names(
            self.options, known, aliases.OPTIONS.get((kind, name), {}), f"{name} option", warn
        )
        options = {option: parameter.default for option, parameter in known.items()}
        for option, value in given.items():
            if option not in known:
                advice = _advice(option, known) if known else "It takes no options."
                raise ConfigError(f"The {title} {name} has no option {option!r}. {advice}")
            options[option] = _convert(value, known[option], f"{title} {str(self)!r}")
        resolved = type(self)(name, options, self.from_file)
        object.__setattr__(resolved, "resolved_as", kind)
        return resolved

    def with_options(self, **options: Any) -> Self:
        """The spec with these options set; it must be resolved again."""
        return replace(self, options={**self.options, **options})


def parse_spec(field: str, value: object, from_file: bool = False) -> Spec:
    """Parse the value of a spec field, text or a `Spec`.

    Raises:
        ConfigError: It is neither, or malformed.
    """
    if isinstance(value, Spec):
        return value
    if not isinstance(value, str):
        raise ConfigError(f"{field}={value!r}: should be a spec such as 'name:option=value'.")
    require_text(value)
    try:
        return Spec.parse(value, from_file)
    except ConfigError as error:
        raise ConfigError(f"{field}={error}") from None


def require_text(value: str) -> None:
    """Raise a `ConfigError` unless a string can be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError("An option holds bytes that are not UTF-8 text.") from None


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """The entry called `name`.

    Raises:
        ConfigError: There is none. The message suggests the nearest name.
    """
    if name not in table:
        raise ConfigError(f"Unknown {kind} {name!r}. {_advice(name, table)}")
    return table[name]


def part_options(part: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """The options of a part by name: the parameters of its constructor that have a default."""
    parameters = inspect.signature(part, eval_str=True).parameters
    return {name: p for name, p in parameters.items() if p.default is not p.empty}


def validation_message(error: "ValidationError") -> str:
    """pydantic's message about the first wrong value, such as `should be greater than 0`."""
    return error.errors()[0]["msg"].removeprefix("Input ")


def _advice(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names, and all of them."""
    names = list(known)
    choice = f"Choose from: {', '.join(names)}."
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}? {choice}" if near else choice


def _format(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _convert(value: object, parameter: inspect.Parameter, spec: str) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(parameter.annotation, config=ConfigDict(allow_inf_nan=False))
        return adapter.validate_python(value)
    except ValidationError as error:
        message = f"{parameter.name!r} {validation_message(error)}"
        raise ConfigError(f"{spec}: {message}.") from None
