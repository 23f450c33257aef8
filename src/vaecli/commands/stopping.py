"""What ends a training early, signals and a limit of time: noted at once, obeyed after a batch."""

import signal
import time
from types import FrameType
from typing import Any, Self

from ..system.errors import Interrupted, TimeOver

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # the last is not known to Windows


class Stopping:
    """While it is entered, the first signal only sets a flag; a second one acts at once."""

    def __init__(self) -> None:
        self.began = time.monotonic()
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

    def is_due(self, limit: float) -> bool:
        """Whether a signal has come, or `limit` seconds have passed."""
        return self.caught is not None or time.monotonic() - self.began > limit

    def obey(self, advice: str) -> None:
        """Raise `Interrupted` for the signal that has come, else `TimeOver`."""
        if self.caught:
            raise Interrupted(self.caught, f"Stopped by {self.caught.name}. {advice}")
        raise TimeOver(f"Stopped: the time of --max-time is over. {advice}")
