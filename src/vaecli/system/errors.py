"""What a user can mend: one family of exceptions, each with the exit status of the command line.

A message says what is wrong, what was given and how to mend it, in one or two lines.
"""


class VaecliError(Exception):
    """Base class of every error that is the user's to mend."""

    status: int = 1


class ConfigError(VaecliError):
    """An option, a name or a path that cannot be used as given."""

    status = 2


class DataError(VaecliError):
    """Images or labels that are missing or cannot be read."""

    status = 3


class RunError(VaecliError):
    """A run directory or checkpoint that is missing, foreign or damaged."""

    status = 4


class TrainingDiverged(VaecliError):
    """The loss is no longer a finite number."""

    status = 5


class ResourceError(VaecliError):
    """The disk or the memory does not suffice."""

    status = 6


class Interrupted(VaecliError):
    """A signal asked the process to stop."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.status = 128 + number


class TimeOver(VaecliError):
    """The time that a training was given is over: it stopped as it was told to."""

    status = 0
