"""Messages that training yields besides its steps and epochs."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class FitStep:
    """The progress of the fit of a prior.

    Attributes:
        checkpoint: Name of the checkpoint, such as last.
        fraction: Finished fraction of the work.
    """

    checkpoint: str
    fraction: float


@dataclass(frozen=True)
class Notice:
    """One message to the user.

    Attributes:
        text: One sentence or more.
        level: info or warning; a warning is shown even with --quiet.
    """

    text: str
    level: Literal["info", "warning"] = "info"
