"""What the environment says of a process that torchrun, or `--devices N`, has started."""

import os
from contextlib import suppress

from .errors import ConfigError

# All of them are there, or the process is alone: some machines set some of them for all processes.
NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
LAUNCHER = "VAECLI_LAUNCHER"  # id of the process that has started this one for --devices
ADVICE = "advice"  # key under which process 0 tells that process how to go on after a failure


def is_one_of_several() -> bool:
    """Whether this process was started as one of several.

    Raises:
        ConfigError: A variable is not a number.
    """
    return all(name in os.environ for name in NAMES) and _number("WORLD_SIZE") > 1


def require_numbers() -> None:
    """Raise a `ConfigError` if the variables of one of several processes make no sense."""
    rank, size = _number("RANK"), _number("WORLD_SIZE")
    if not 0 <= rank < size:
        raise ConfigError(f"The environment has RANK={rank} and WORLD_SIZE={size}: count from 0.")
    _number("LOCAL_RANK")
    _number("MASTER_PORT")


def started_rank() -> int:
    """The number of this process, from 0; 0 for one that is alone."""
    with suppress(ConfigError):
        if is_one_of_several():
            return _number("RANK")
    return 0


def local_rank() -> int:
    """The number of this process among those on this machine, from 0."""
    return _number("LOCAL_RANK") if is_one_of_several() else 0


def local_count() -> int:
    """The number of processes on this machine that work together."""
    if not is_one_of_several():
        return 1
    return _number("LOCAL_WORLD_SIZE" if "LOCAL_WORLD_SIZE" in os.environ else "WORLD_SIZE")


def launched() -> int:
    """The number of processes, if `--devices` has started this one among them; else 0."""
    return _number("WORLD_SIZE") if LAUNCHER in os.environ and is_one_of_several() else 0


def parent() -> int:
    """Id of the process that has started this one, and without which it must not go on."""
    return _number(LAUNCHER) if launched() else os.getppid()


def _number(name: str) -> int:
    try:
        return int(os.environ[name])
    except ValueError:
        raise ConfigError(
            f"The environment has {name}={os.environ[name]!r}: give a number."
        ) from None
