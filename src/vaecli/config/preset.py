"""`Preset`, a row of the table of presets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .papers import Paper


@dataclass(frozen=True)
class Preset:
    """A named choice of options, of a published model in most cases.

    Attributes:
        paper: Where it was published; None if no paper introduced it.
        changes: The options in which it differs from the defaults of `Config`.
        departures: Where it differs from its paper in more than network, number of latents,
            optimizer, epochs and batch size, in sentences; empty if nowhere.
    """

    paper: Paper | None
    changes: Mapping[str, Any] = field(default_factory=dict)
    departures: str = ""
