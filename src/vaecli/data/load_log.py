"""`LoadLog`: what happens while images are loaded."""

from collections.abc import Callable
from dataclasses import dataclass, field

OnProgress = Callable[[str, int, int], object]


def no_progress(what: str, done: int, total: int) -> None:
    """The progress of work that nobody watches."""


@dataclass
class LoadLog:
    """Collects what the user should know, and reports the progress.

    Attributes:
        on_progress: Called with what is done, how many images are done, and of how many.
        notices: What the user should know about the data set.
        bad: Why each of the images was left out that could not be read, in the order met.
        caches: Folders of decoded images that are not in memory but in the cache.
    """

    on_progress: OnProgress = no_progress
    notices: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    caches: list[str] = field(default_factory=list)
