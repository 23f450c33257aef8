"""Signals that ask a training to stop: noted when they come, obeyed after the batch."""

import signal
from types import FrameType
from typing import Any, Self, final

from ..errors import Interrupted

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # the last is not known to Windows


@final
class Stopping:
    """While it is entered, the first signal only sets a flag; a second one acts at once."""

    def __init__(self) -> None:
        self.caught: signal.Signals | None = None
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for name in NAMES:
            number = getattr(signal, name, None)
            # What ignores a signal from the start, as under nohup, goes on ignoring it.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *raised: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.caught = signal.Signals(number)
        for other, handler in self.before.items():
            signal.signal(other, handler)

    def obey(self, advice: str) -> None:
        """Raise `Interrupted` for the signal that has come."""
        if self.caught:
            raise Interrupted(self.caught, f"Stopped by {self.caught.name}. {advice}")
