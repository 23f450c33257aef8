"""Old names that still work, with a warning."""

import sys
import warnings
from typing import Any


class RenamedWarning(FutureWarning):
    """An old name was used; it still works."""


def warn_renamed(text: str) -> None:
    """Warn that an old name was used."""
    warn_caller(text, RenamedWarning)


def warn_caller(text: str, category: type[Warning]) -> None:
    """Warn, and point to the line outside this package that caused it."""
    package = __name__.partition(".")[0]
    depth = 1
    while sys._getframe(depth).f_globals.get("__name__", "").partition(".")[0] == package:
        depth += 1
    warnings.warn(text, category, stacklevel=depth + 1)


class Renamed:
    """An attribute under its old name, as in `hide = Renamed("hide_labels")` inside a class.

    Args:
        new: The new name.
    """

    def __init__(self, new: str) -> None:
        self.new = new
        self.old = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.old = name

    def __get__(self, instance: object, owner: type) -> Any:
        warnings.warn(
            f"{owner.__name__}.{self.old} is now called {self.new!r}.",
            RenamedWarning,
            stacklevel=2,
        )
        return getattr(owner if instance is None else instance, self.new)
