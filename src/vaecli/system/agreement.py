"""What process 0 finds for all processes, and errors that all of them meet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from .errors import EndedByAnother, ResourceError, VaecliError
from .group import settling
from .processes import broadcast, is_first

T = TypeVar("T")


def from_first(make: Callable[[], T]) -> T:
    """What `make` gives on process 0, on all processes.

    Args:
        make: Called by process 0 alone. What it gives has to be one that can be pickled.

    Raises:
        EndedByAnother: It failed, on the other processes; process 0 raises what it raised.
    """
    values: list[T] = []
    with settling():
        if is_first():
            values.append(make())
    received: list[T] = broadcast(values)
    return received[0]


@contextmanager
def same_on_all() -> Iterator[None]:
    """Around work in which all processes meet the same errors at the same place.

    Raises:
        VaecliError: It was raised in the `with` block, and this is process 0.
        EndedByAnother: It was raised, and this is another process, which has nothing to add.
    """
    try:
        yield
    except ResourceError:  # what is left of disk and memory differs
        raise
    except VaecliError as error:
        if is_first():
            raise
        raise EndedByAnother(error.status) from error
