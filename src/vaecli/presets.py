"""A paper is a row: what a preset changes against the defaults, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import defaults
from .config import Config, lookup


@dataclass(frozen=True)
class Preset:
    """A published model.

    Attributes:
        paper: Title (authors, year), URL.
        changes: The options it sets otherwise than `defaults`.
    """

    paper: str
    changes: dict[str, Any] = field(default_factory=dict)


PRESETS = {
    "vae": Preset(
        "Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114"
    ),
}


def resolve(*layers: Mapping[str, Any]) -> Config:
    """One configuration from layers of options, later ones first, over the preset they name."""
    given: dict[str, Any] = {}
    for layer in layers:
        given |= layer
    preset = lookup(PRESETS, str(given.get("preset", defaults.PRESET)), "preset")
    return Config.checked({**preset.changes, **given})
