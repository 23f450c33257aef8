"""What `evaluate` and `embed` read, on each of several processes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..data.images import Images
from ..run.run import Run
from ..system.agreement import from_first
from ..system.errors import DataError
from ..system.group import settling
from ..system.processes import count, is_first


@dataclass(frozen=True)
class SharedInput:
    """A run, images, and what the command knows of them.

    Attributes:
        run: The run that the command reads.
        images: The images; None while those that are mapped from a file are sent.
        more: Whatever else all processes need; it has to be plain data.
        fingerprint: That of images that are mapped from a file.
    """

    run: Run
    images: Images | None
    more: Any = None
    fingerprint: str = ""


def share_input(
    choose: Callable[[], tuple[Run, Images, Any]], read_again: Callable[[Run], Images]
) -> tuple[Run, Images, Any]:
    """What process 0 chooses, on all processes.

    Images that are in memory are sent to the others, which need neither the run directory nor the
    data set. Those that are mapped from a file are too large for that: every process reads them.

    Args:
        choose: Called on process 0 alone: the run, the images, and plain data.
        read_again: The same images, for a process that gets the run.

    Raises:
        VaecliError: `choose` failed, or `read_again` on one of the processes.
        DataError: The images of another process differ from those of process 0.
        EndedByAnother: It failed on another process.
    """
    if count() == 1:
        return choose()
    chosen: list[Images] = []

    def send() -> SharedInput:
        run, images, more = choose()
        chosen.append(images)
        if images.mapped is None:
            return SharedInput(run.for_evaluation(), images, more)
        return SharedInput(run.for_evaluation(), None, more, images.fingerprint())

    found = from_first(send)
    if found.images is not None:
        return found.run, found.images, found.more
    with settling():
        if not is_first():
            chosen.append(_read_same(found, read_again))
    return found.run, chosen[0], found.more


def _read_same(found: SharedInput, read_again: Callable[[Run], Images]) -> Images:
    images = read_again(found.run)
    if images.fingerprint() != found.fingerprint:
        raise DataError(
            f"The images of {found.run.config.data} differ from those of process 0: copy the same "
            "files to every machine."
        )
    return images
