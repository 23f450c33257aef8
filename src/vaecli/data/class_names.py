"""Names of classes: which are valid, and which class a user means."""

import difflib
import re
from collections.abc import Sequence

from ..system.errors import ConfigError, DataError
from ..system.text import shorten

MAX_CHARACTERS = 255  # in a name: as many as that of a folder can have
SHOWN_CHARACTERS = 40  # of a name in a message
LISTED = 8  # names in a message


def check_class_names(class_names: Sequence[str], classes: int) -> None:
    """Raise a `DataError` unless the names are of so many classes, short and distinct.

    Args:
        class_names: The name of every class; empty if they have none but their numbers.
        classes: Number of classes.
    """
    if class_names and len(class_names) != classes:
        raise DataError(f"There are {len(class_names):,} class names for {classes:,} classes.")
    for name in class_names:
        if not 0 < len(name) <= MAX_CHARACTERS:
            raise DataError(
                f"The class name {shown(name)!r} has {len(name):,} characters: use 1 to "
                f"{MAX_CHARACTERS}."
            )
        if not name.isascii() and name.encode(errors="ignore").decode() != name:
            raise DataError(f"The class name {name!r} is not UTF-8 text: rename the class.")
    if len(set(class_names)) < len(class_names):
        twice = next(name for name in class_names if class_names.count(name) > 1)
        raise DataError(f"Two classes are called {shown(twice)!r}: rename one of them.")


def shown(name: str) -> str:
    """A class name as a message shows it: in one line, and not longer than `SHOWN_CHARACTERS`."""
    return shorten(name, SHOWN_CHARACTERS)


def listed(class_names: Sequence[str]) -> str:
    """The first `LISTED` class names in a message, and how many more there are."""
    text = ", ".join(map(shown, class_names[:LISTED]))
    if len(class_names) > LISTED:
        text += f" and {len(class_names) - LISTED:,} more"
    return text


def name_of(label: int, class_names: Sequence[str]) -> str:
    """How a message calls a class: by its name, or else by its number."""
    if not class_names:
        return str(label)
    return shown(class_names[label])


def find_class(label: str, classes: int, class_names: Sequence[str] = ()) -> int:
    """The number of the class that `label` means: a class name, or else a number from 0.

    Args:
        label: A name, with the case of its letters, or a number. If a class is called "3", then "3"
            is that class, whatever its number.
        classes: Number of classes.
        class_names: The name of every class; empty if they have none.

    Raises:
        ConfigError: There is no such class; the message has the nearest names.
    """
    if label in class_names:
        return class_names.index(label)
    if label in map(str, range(classes)):
        return int(label)
    typed = shown(label)
    if not re.fullmatch(r"[\w+-]*", typed):
        typed = repr(typed)
    problem = f"label={typed}:"
    if not class_names:
        raise ConfigError(f"{problem} choose all, or a class from 0 to {classes - 1}.")
    if near := _nearest(label, class_names):
        meant = " or ".join(repr(shown(name)) for name in near)
        raise ConfigError(f"{problem} there is no such class. Did you mean {meant}?")
    raise ConfigError(
        f"{problem} there is no such class. Choose all, a number from 0 to {classes - 1}, or one "
        f"of {listed(class_names)}."
    )


def _nearest(label: str, class_names: Sequence[str]) -> list[str]:
    """At most three class names that are spelled nearly as `label`, the nearest first."""
    by_key = {name.casefold(): name for name in class_names}
    near = difflib.get_close_matches(label.casefold()[:MAX_CHARACTERS], by_key, cutoff=0.6)
    return [by_key[key] for key in near]
