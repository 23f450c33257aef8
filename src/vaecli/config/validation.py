"""Validates the values of the fields of a dataclass by their annotations."""

from functools import cache
from typing import TYPE_CHECKING, Any, get_type_hints

from ..system.errors import ConfigError
from .spec import require_text, validation_message

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def validate(owner: type, name: str, value: object) -> Any:
    """The value of the field `name` of `owner`.

    Raises:
        ConfigError: It has the wrong type or is out of bounds.
    """
    from pydantic import ValidationError

    if isinstance(value, str):
        require_text(value)
    try:
        return _adapter(owner, name).validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"{name}={value!r}: {validation_message(error)}.") from None


@cache
def _adapter(owner: type, name: str) -> "TypeAdapter[Any]":
    from pydantic import ConfigDict, TypeAdapter

    strict = ConfigDict(strict=True, allow_inf_nan=False)
    return TypeAdapter(_hints(owner)[name], config=strict)


@cache
def _hints(owner: type) -> dict[str, Any]:
    return get_type_hints(owner, include_extras=True)
