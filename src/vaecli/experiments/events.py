"""Messages that training yields besides its steps and epochs."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Notice:
    """One message to the user.

    Attributes:
        text: One sentence or more.
        level: info or warning; a warning is shown even with --quiet.
    """

    text: str
    level: Literal["info", "warning"] = "info"
