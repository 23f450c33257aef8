"""Signals and --max-time: stop after the current batch."""

import math
import signal
import time
from types import FrameType
from typing import Any, Self

from ..config.config import Config
from ..config.durations import parse_duration
from ..system.errors import Interrupted

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
