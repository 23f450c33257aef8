"""Errors that the user can fix, each with the exit status of the command line.

A message says in one or two lines what is wrong, which value was given, and how to fix it. Where
Python users can meet it, it names an option as in Python, `labels=5`, and the command line
translates that to `--labels 5`. Messages about run directories and resuming name the flag itself.
"""

import errno

# In messages of torch and of the system where a tensor, a thread or a library does not fit; the
# last is of a tensor beyond 64-bit sizes.
NO_MEMORY = (
    "allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "failed to map segment",
    "Resource temporarily unavailable",
    "size calculation overflowed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice: torch raises a RuntimeError, an import an ImportError."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | ImportError)
        and any(text in str(error) for text in NO_MEMORY)
    )


class VaecliError(Exception):
    """Base class of the errors that a user can fix."""

    status: int = 1


class ConfigError(VaecliError):
    """An option, name or path that cannot be used."""

    status = 2


class ConfigFileError(ConfigError):
    """A value in a file of options that cannot be used; the message names the file."""


class DataError(VaecliError):
    """Images or labels that are missing or cannot be read."""

    status = 3


class RunError(VaecliError):
    """A run directory or checkpoint that is missing, damaged, or not written by vaecli."""

    status = 4


class NoTrialCompleted(RunError):
    """All trials of a study have ended, and none was completed."""


class TrainingDiverged(VaecliError):
    """The loss became NaN or infinite."""

    status = 5


class NotFiniteError(VaecliError):
    """A result of a trained model is NaN or infinite, although its weights are finite."""

    status = 5


class ResourceError(VaecliError):
    """Not enough disk or memory."""

    status = 6


class ModelTooLarge(ResourceError):
    """A model whose weights do not fit in memory."""


class Interrupted(VaecliError):
    """A signal asked the process to stop; the status is 128 plus the signal's number."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.status = 128 + number


class EndedByAnother(VaecliError):
    """Another of several processes has failed, and says why; this one ends without a word."""

    def __init__(self, status: int = 1) -> None:
        super().__init__("Another process has failed.")
        self.status = status


class ProcessLost(ResourceError):
    """Another of several processes has gone, or cannot be reached."""
