"""Signals and --max-time: stop after the current batch. NaN is looked for now and then."""

import math
import signal
import time
from types import FrameType
from typing import Any, Self

from ..config.config import Config
from ..config.durations import parse_duration
from ..system import processes
from ..system.errors import Interrupted
from ..training.epoch import Epoch
from ..training.loop import Step

CHECK_INTERVAL = 0.5  # seconds between two checks of the running means, which wait for the device
CHECK_STEPS = 8  # steps between two checks, where several processes have to check at the same step
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class StopRequest:
    """Inside its `with` block the first signal only sets a flag; a second one acts at once.

    Args:
        config: Has the time limit, if there is one; time counts from the construction.

    Attributes:
        reason: Why the caller stops this run, such as a search that gives it up; None if it does
            not.
    """

    def __init__(self, config: Config) -> None:
        self.limit = math.inf
        if config.max_time is not None:
            self.limit = parse_duration(config.max_time)
        self.started = time.monotonic()
        self.signal: signal.Signals | None = None
        self.reason: str | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for name in NAMES:
            number = getattr(signal, name, None)
            # A signal that is ignored from the start, as under nohup, stays ignored.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *raised: object) -> None:
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        self._restore_handlers()

    def is_time_over(self) -> bool:
        """Whether the time limit has passed."""
        return time.monotonic() - self.started > self.limit

    def is_due(self) -> bool:
        """Whether a signal came, the caller has a reason, or the time limit has passed."""
        return self.signal is not None or self.reason is not None or self.is_time_over()

    def raise_signal(self, advice: str) -> None:
        """Raise `Interrupted` if a signal came."""
        if self.signal is not None:
            raise Interrupted(self.signal, f"Stopped by {self.signal.name}. {advice}")

    def agree(self) -> bool:
        """Whether training of any process is due to stop; then it is for all of them.

        All processes have to ask at the same place.
        """
        reason = int(self.is_time_over()) if self.signal is None else 1 + self.signal
        reason = processes.largest(reason)
        if reason > 1:
            self.signal = signal.Signals(reason - 1)
        return reason > 0


class Checks:
    """Says during training when to stop, and finds metrics that are not finite.

    Several processes check every few steps, which are the same for all.

    Args:
        stop: The request to stop.
    """

    def __init__(self, stop: StopRequest) -> None:
        self.stop = stop
        self.last = time.monotonic()

    def look(self, step: Step) -> None:
        """Look at the running means, if it is time.

        Raises:
            TrainingDiverged: One of them is NaN or infinite.
        """
        if processes.count() > 1:
            is_time = _all_check(step)
        else:
            is_time = time.monotonic() - self.last >= CHECK_INTERVAL
        if is_time:
            step.read()
            self.last = time.monotonic()

    def is_stop_due(self, event: Step | Epoch) -> bool:
        """Whether training stops after this event."""
        if processes.count() == 1:
            return self.stop.is_due()
        return (isinstance(event, Epoch) or _all_check(event)) and self.stop.agree()


def _all_check(step: Step) -> bool:
    """Whether several processes check after this step."""
    return step.batch % CHECK_STEPS == 0
