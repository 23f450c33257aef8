"""Configurations from layers of options, the lowest of which is a preset."""

from collections.abc import Mapping
from typing import Any

from ..system.errors import ConfigError
from . import aliases
from .config import Config, known_keys
from .preset_table import PRESETS
from .spec import Spec, lookup, parse_spec

__all__ = ["PRESETS", "config_from_layers", "typed_options", "with_beta"]


def config_from_layers(*layers: Mapping[str, Any]) -> Config:
    """One configuration from layers of options.

    A later layer overrides an earlier one, and all of them override the preset.

    Args:
        layers: Options by name, such as those of a file and those of the command line. `preset`
            names the preset below them, `beta` sets that option of the objective.

    Raises:
        ConfigError: A name is unknown or a value is wrong.
    """
    given: dict[str, Any] = {}
    for layer in layers:
        given |= typed_options(layer)
    changes = lookup(PRESETS, str(given.get("preset", Config.preset)), "preset").changes
    return Config(**known_keys(with_beta({**changes, **given}, Config.objective)))


def check_layer(values: Mapping[str, Any]) -> None:
    """Raise the errors of `config_from_layers` that are of one layer alone.

    Args:
        values: Options by name, as `option_files.read_options_file` returns them.
    """
    current = typed_options(values)
    lookup(PRESETS, str(current.get("preset", Config.preset)), "preset")


def typed_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options that a user gave, under the names in use; an old name warns (`RenamedWarning`).

    Raises:
        ConfigError: An option is given under its old and its new name, or beta twice.
    """
    known = Config.__dataclass_fields__
    current = aliases.current_names(values, known, aliases.KEYS, "option")
    if isinstance(preset := current.get("preset"), str):
        current["preset"] = aliases.current_name(preset, PRESETS, aliases.PRESETS, "preset")
    beta = current.get("beta")
    if beta is not None and "objective" in current:
        objective = parse_spec("objective", current["objective"])
        if "beta" in objective.options:
            raise ConfigError(
                f"Both objective='{objective}' and beta={beta} set beta: leave one out."
            )
    return current


def with_beta(chosen: Mapping[str, Any], objective: Spec) -> dict[str, Any]:
    """The chosen options, with `beta`, if it is among them, set as an option of the objective.

    Args:
        chosen: Options by name.
        objective: The objective that gets `beta` if `chosen` has no objective.
    """
    rest = {name: value for name, value in chosen.items() if name != "beta"}
    if chosen.get("beta") is not None:
        spec = parse_spec("objective", rest.get("objective", objective))
        rest["objective"] = spec.with_options(beta=chosen["beta"])
    return rest
