"""Translates old names of presets, parts and options to the current names.

Every rename is one row of a table here. `run.migrate` translates names of tensors, header keys and
loss columns in old run directories.
"""

from collections.abc import Container, Mapping
from functools import wraps
from typing import Any, TypeVar

from ..system.errors import ConfigError
from ..system.renamed import warn_renamed

T = TypeVar("T")

Renamed = Mapping[str, str]  # old name to new name

PRESETS: Renamed = {"warmup": "annealing", "hvae": "hierarchical"}

KEYS: Renamed = {"warmup": "lr_warmup"}  # fields of Config

# Names of parts, by kind.
PARTS: Mapping[str, Renamed] = {"objective": {"betatc": "beta-tc"}}

# Options of parts, by kind and by the current name of the part.
OPTIONS: Mapping[tuple[str, str], Renamed] = {
    ("objective", "elbo"): {
        "warmup": "annealing_epochs",
        "cycle": "cycle_epochs",
        "over": "capacity_epochs",
        "gamma": "capacity_weight",
    },
    ("objective", "iwae"): {"outer": "bounds"},
    ("objective", "piwae"): {"outer": "bounds"},
    ("objective", "wae"): {"rate": "kl_weight"},
    ("objective", "dip"): {"kind": "variant"},
    ("objective", "adversarial"): {"slope": "gradient_penalty"},
    ("objective", "vae-gan"): {"slope": "gradient_penalty"},
    ("prior", "ring"): {"along": "radial_std", "across": "tangential_std"},
    ("prior", "swiss-roll"): {"scale": "std"},
    ("likelihood", "logistic"): {"mixtures": "components"},
    ("network", "mlp"): {"bias": "output_bias"},
    ("network", "conv"): {"bias": "output_bias"},
    ("network", "resnet"): {"bias": "output_bias"},
}


def current_name(
    name: str, known: Container[str], renamed: Renamed, kind: str, warn: bool = True
) -> str:
    """The new name of `name` if it is an old one, else `name` itself.

    A name in `known` is never an old one.

    Args:
        name: Old or new name.
        known: The current names.
        renamed: Old names to new names.
        kind: Kind of the named thing, for the warning.
        warn: Whether an old name gives a `RenamedWarning`; not for names from a file.
    """
    new = _new_name(name, known, renamed)
    if new is None:
        return name
    if warn:
        warn_renamed(f"The {kind} {name!r} is now called {new!r}.")
    return new


def current_names(
    values: Mapping[str, Any],
    known: Container[str],
    renamed: Renamed,
    kind: str,
    warn: bool = True,
) -> dict[str, Any]:
    """`values` with current names as keys; the other arguments are those of `current_name`.

    Raises:
        ConfigError: Both the old and the new name of a key are given.
    """
    for name in values:
        new = _new_name(name, known, renamed)
        if new in values:
            raise ConfigError(f"The {kind} {name!r} is the old name of {new!r}: leave one out.")
    return {current_name(n, known, renamed, kind, warn): value for n, value in values.items()}


def accept_old_names(kind: type[T]) -> type[T]:
    """Let the constructor of a dataclass take the old names of its fields too, with a warning."""
    construct = kind.__init__

    @wraps(construct)
    def translate(self: T, *arguments: Any, **values: Any) -> None:
        known = kind.__dataclass_fields__  # type: ignore[attr-defined]
        construct(self, *arguments, **current_names(values, known, KEYS, "option"))

    kind.__init__ = translate  # type: ignore[method-assign, assignment]
    return kind


def _new_name(name: str, known: Container[str], renamed: Renamed) -> str | None:
    """The new name of `name`, or None if it is no old name."""
    new = renamed.get(name)
    return new if new in known and name not in known else None
