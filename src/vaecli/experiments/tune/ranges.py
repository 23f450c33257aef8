"""Ranges of the options that a search varies, parsed from text such as `1e-4..1e-2:log`."""

import abc
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ...system.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Trial

FORMS = "write LOW..HIGH, LOW..HIGH:log, LOW..HIGH:STEP or values such as 8,16,32"

MOST_STEPS = 1e15  # a float does not tell more values apart

Parse = Callable[[str], Any]


class Range(abc.ABC):
    """Base class of the values that an option takes in a search."""

    @property
    @abc.abstractmethod
    def examples(self) -> list[Any]:
        """The values to check: both ends, or every choice."""

    @abc.abstractmethod
    def contains(self, value: Any) -> bool:
        """Whether a trial can have this value."""

    @abc.abstractmethod
    def suggest(self, trial: "Trial", name: str) -> Any:
        """The value of a trial: a new one, or the one that it has already."""


@dataclass(frozen=True)
class Choices(Range):
    """Some values.

    Args:
        values: At least two, of one type.
    """

    values: tuple[Any, ...]

    def __str__(self) -> str:
        return ",".join(map(format_value, self.values))

    @property
    def examples(self) -> list[Any]:
        return list(self.values)

    def contains(self, value: Any) -> bool:
        return value in self.values

    def suggest(self, trial: "Trial", name: str) -> Any:
        return trial.suggest_categorical(name, self.values)


@dataclass(frozen=True)
class Numbers(Range):
    """The numbers from `low` to `high`: whole ones if both are of type int.

    Args:
        low: Lowest value.
        high: Highest value; a multiple of `step` above `low`.
        step: Distance of two values; None for any number between the ends.
        log: Whether to draw from the logarithms evenly.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def __str__(self) -> str:
        text = f"{self.low}..{self.high}"
        if self.log:
            return f"{text}:log"
        return text if self.step is None else f"{text}:{self.step}"

    @property
    def examples(self) -> list[Any]:
        return [self.low, self.high]

    def contains(self, value: Any) -> bool:
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / (self.step or self.high)
        return self.step is None or math.isclose(steps, round(steps), abs_tol=1e-9)

    def suggest(self, trial: "Trial", name: str) -> Any:
        if isinstance(self.low, int) and isinstance(self.high, int):
            step = int(self.step or 1)
            return trial.suggest_int(name, self.low, self.high, step=step, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)


def parse_range(text: str, kind: Any) -> Range:
    """The range that a text describes.

    Args:
        text: As in `FORMS`.
        kind: Type of the option: int, float, bool, or another for options that are text.

    Raises:
        ConfigError: The text has another form, or its numbers are not in order.
    """
    parse = parser(kind)
    found = re.fullmatch(r"(.+?)\.\.(.+?)(?::(.*))?", text)
    if found is None:
        return _parse_choices(text, parse)
    if kind not in (int, float):
        raise ConfigError(f"{text!r} is a range, but the option is not a number: name the values.")
    low, high, ending = parse(found[1]), parse(found[2]), found[3]
    if low >= high:
        raise ConfigError(f"{text!r}: the lower end must be below the upper one.")
    if ending is None:
        return Numbers(low, high)
    if ending != "log":
        return _with_step(text, low, high, parse(ending))
    if low <= 0:
        raise ConfigError(f"{text!r}: a logarithmic range must begin above 0.")
    return Numbers(low, high, log=True)


def _parse_choices(text: str, parse: Parse) -> Choices:
    values = tuple(parse(item.strip()) for item in text.split(","))
    if len(values) == 1:
        raise ConfigError(f"{text!r} is one value: {FORMS}.")
    for value in values:
        if values.count(value) > 1:
            raise ConfigError(f"{text!r} names {format_value(value)} twice: leave one out.")
    return Choices(values)


def _with_step(text: str, low: float, high: float, step: float) -> Numbers:
    if step <= 0:
        raise ConfigError(f"{text!r}: the step must be above 0.")
    if step > high - low:
        raise ConfigError(f"{text!r}: the step is larger than the range.")
    if (high - low) / step > MOST_STEPS:
        raise ConfigError(f"{text!r}: the step is too small; without one, every number is tried.")
    # as decimals: the last value of 0.1..0.3:0.1 is 0.3
    exact, distance = Decimal(str(low)), Decimal(str(step))
    last = exact + (Decimal(str(high)) - exact) // distance * distance
    return Numbers(low, type(high)(last), step)


def parser(kind: Any) -> Parse:
    """A function that turns the text of one value into a value of this type.

    It raises a `ConfigError` for a text that is none.
    """
    return {int: _whole_number, float: _number, bool: _truth}.get(kind, _text)


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a whole number: {FORMS}.") from None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"{text!r} is not a number: {FORMS}.")
    return value


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ConfigError(f"{text!r} is not true or false.")
    return text == "true"


def _text(text: str) -> str:
    if not text:
        raise ConfigError(f"a value is empty: {FORMS}.")
    return text


def format_value(value: Any) -> str:
    """A value as `--search` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
