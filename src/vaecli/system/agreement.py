"""What one of several processes finds for all of them, and failures that end all of them."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from torch import distributed as dist

from .errors import EndedByAnother, ResourceError, VaecliError
from .processes import broadcast, count, is_first, rank

T = TypeVar("T")


def from_first(make: Callable[[], T]) -> T:
    """What `make` gives on process 0, on all processes.

    Args:
        make: Called by process 0 alone. What it gives has to be one that can be pickled.

    Raises:
        EndedByAnother: It failed, on the other processes; process 0 raises what it raised.
    """
    if count() == 1:
        return make()
    if not is_first():
        status, given = broadcast()
        if status:
            raise EndedByAnother(status)
        return cast(T, given)
    try:
        value = make()
    except BaseException as error:
        broadcast((getattr(error, "status", 1), None))
        raise
    broadcast((0, value))
    return value


def on_all(make: Callable[[], T]) -> T:
    """What `make` gives on every process, unless it fails on one: then it fails on all.

    Raises:
        VaecliError: `make` raised it on this process, which is process 0, or on another one: then
            process 0 raises one of the same kind that says which process it was.
        EndedByAnother: It failed on some process, and this is not process 0.
    """
    if count() == 1:
        return make()
    values: list[T] = []
    failure: VaecliError | None = None
    try:
        values.append(make())
    except VaecliError as error:
        failure = error
    _raise_first(failure)
    return values[0]


def _raise_first(failure: VaecliError | None) -> None:
    """Raise the failure of the first process that has one, if there is any."""
    own = None
    if failure is not None:
        own = (type(failure), f"Process {rank()} on {socket.gethostname()}: {failure}")
    failures: list[tuple[type[VaecliError], str] | None] = [None] * count()
    dist.all_gather_object(failures, own)
    found = [each for each in failures if each is not None]
    if not found:
        return
    kind, text = found[0]
    if not is_first():
        raise EndedByAnother(kind.status)
    raise failure or kind(text)


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
