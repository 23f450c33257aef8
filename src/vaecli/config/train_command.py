"""The command that trains a configuration again, in as few options as say it."""

import shlex
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from .build import TABLES, resolve
from .config import Config
from .presets import PRESETS, config_from_layers
from .spec import Spec

BESIDE = ("schema_version", "preset", "data", "data_dir")  # no options of the recipe


def changed_options(config: Config, preset: str = Config.preset) -> dict[str, Any]:
    """The options in which a configuration differs from a preset, but for its data.

    Args:
        config: As `resolve` returns it.
        preset: Name of the preset.

    Returns:
        Values by name; a `Spec` has only the options that differ from the defaults of its part.
    """
    base = resolve(config_from_layers({"preset": preset}))
    changed: dict[str, Any] = {}
    for field in fields(Config):
        value = getattr(config, field.name)
        if field.name not in BESIDE and value != getattr(base, field.name):
            changed[field.name] = shortest_spec(field.name, value)
    return changed


def shortest_spec(name: str, value: Any) -> Any:
    """A spec without the options that its part has by default; other values as they are."""
    if not isinstance(value, Spec):
        return value
    default = Spec(value.name).resolve(TABLES[name], name).options
    return Spec(value.name, {k: v for k, v in value.options.items() if v != default[k]})


def train_command(config: Config, data: str, data_dir: str | None, derived: Collection[str]) -> str:
    """The command line of a training, for a shell.

    Args:
        config: As `resolve` returns it.
        data: What it calls the data.
        data_dir: What it calls the folder of the data set, or None.
        derived: Options that follow from the images, and are left out.
    """
    preset = config.preset
    known = preset in PRESETS
    if not known or None in changed_options(config, preset).values():  # no flag takes one back
        preset = Config.preset
    values: dict[str, Any] = {}
    if preset != Config.preset:
        values["preset"] = preset
    if data != Config.data:
        values["data"] = data
    if data_dir is not None:
        values["data_dir"] = data_dir
    changed = changed_options(config, preset)
    values |= {name: value for name, value in changed.items() if name not in derived}
    return " ".join(["vaecli", "train", *map(shlex.quote, _words(values))])


def _words(values: dict[str, Any]) -> list[str]:
    words = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if value is False:
            words.append(f"--no-{flag}")
        elif value is True:
            words.append(f"--{flag}")
        else:
            words += [f"--{flag}", str(value)]
    return words
