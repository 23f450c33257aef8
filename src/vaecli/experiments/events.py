"""What a training reports beside its steps and epochs."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Notice:
    """One message for the person who watches.

    Attributes:
        text: One sentence or more.
        level: info or warning; a warning is shown even if quiet.
    """

    text: str
    level: Literal["info", "warning"] = "info"
