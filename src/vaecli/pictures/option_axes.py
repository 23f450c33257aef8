"""Axes of options that were searched: where a value lies, and the ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.ticker import MaxNLocator

from .style import printable

MOST_TICKS = 16
TICK_CHARACTERS = 14
TITLE_CHARACTERS = 17  # in a line of the name of an axis


@dataclass(frozen=True)
class OptionAxis:
    """One searched option as an axis, from 0 at its lower end to 1 at its upper end.

    Args:
        name: Name of the option, such as `lr` or `network.width`.
        low: Lower end of the range; not used with `choices`.
        high: Upper end of the range.
        is_log: The range is searched on a logarithmic scale; `low` is greater than 0.
        choices: The values of an option that is chosen from a list, from the bottom up.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    is_log: bool = False
    choices: tuple[Any, ...] = ()

    def place(self, value: Any) -> float:
        """Where a value lies; NaN if there is none, or it is not one of the choices."""
        if self.choices:
            if value not in self.choices:
                return math.nan
            return _fraction(self.choices.index(value), 0, len(self.choices) - 1)
        if not isinstance(value, int | float):
            return math.nan
        if self.is_log:
            return _fraction(math.log(value), math.log(self.low), math.log(self.high))
        return _fraction(value, self.low, self.high)

    def ticks(self) -> list[tuple[float, str]]:
        """Place and text of each tick; of many choices, every second or third and so on has one."""
        if self.choices:
            shown = self.choices[:: math.ceil(len(self.choices) / MOST_TICKS)]
            return [(self.place(v), printable(_choice_text(v), TICK_CHARACTERS)) for v in shown]
        find_ticks = even_ticks
        if self.is_log:
            find_ticks = log_ticks
        values = find_ticks(self.low, self.high)
        if isinstance(self.low, int) and isinstance(self.high, int):
            values = [value for value in values if value == round(value)]
        return [(self.place(value), f"{value:.6g}") for value in values]

    @property
    def title(self) -> str:
        """The name in one line, or in two if it is long."""
        name = printable(self.name, 2 * TITLE_CHARACTERS)
        if len(name) <= TITLE_CHARACTERS:
            return name
        breaks = [place + 1 for place, mark in enumerate(name[:TITLE_CHARACTERS]) if mark in "._-"]
        at = breaks[-1] if breaks else TITLE_CHARACTERS
        return f"{name[:at]}\n{printable(name[at:], TITLE_CHARACTERS)}"


def even_ticks(low: float, high: float) -> list[float]:
    """At most five round values between two ends; the one value if the ends are equal."""
    if low == high:
        return [low]
    return _inside(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high), low, high)


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between two ends, with 2 and 5 between them if there are few."""
    if low == high:
        return [low]
    powers = [10.0**power for power in range(*_decades(low, high))]
    for steps in ((1.0,), (1.0, 2.0, 5.0)):
        values = _inside([step * power for power in powers for step in steps], low, high)
        if len(values) >= 3:
            return values
    if len(values) == 2:
        return values
    return even_ticks(low, high)


def _decades(low: float, high: float) -> tuple[int, int]:
    """Exponents of the powers of ten around a range: the first, and one after the last."""
    return math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1


def _choice_text(value: Any) -> str:
    """A value as the command line takes it."""
    text = str(value)
    if isinstance(value, bool):
        return text.lower()
    return text


def _inside(values: Sequence[float], low: float, high: float) -> list[float]:
    """Those in the range; a rounding error does not leave out an end."""
    margin = 1e-9 * (high - low)
    return [float(value) for value in values if low - margin <= value <= high + margin]


def _fraction(value: float, low: float, high: float) -> float:
    """How far a value is between two ends; in the middle if the ends are equal."""
    if low == high:
        return 0.5
    return (value - low) / (high - low)
