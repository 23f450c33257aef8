"""The process of the command line: its standard streams, and Ctrl-C before anything has begun.

It imports nothing that takes time, so that it can be called first.
"""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

INTERRUPTED = 130
IMPORTING = {"_frozen_importlib", "importlib._bootstrap"}  # its names before and after importlib


def prepare_process() -> None:
    """Fill the standard streams that are closed, and let Ctrl-C end an import quietly."""
    _fill_closed_streams()
    # A signal that is ignored from the start, as under nohup, stays ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGINT, _interrupt)


def _fill_closed_streams() -> None:
    """Give closed descriptors 0, 1 and 2 to the null device.

    Else the next file that is opened gets the number, and what is printed is written to it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    if sys.stderr is None:  # print(file=None) would print to stdout
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but end the process at once where that does harm: in an import.

    Compiled modules call Python while they are imported. Some abort the process if that raises, and
    some turn the KeyboardInterrupt into an ImportError. Nothing is written yet at that time, unless
    training has begun.
    """
    modules = set()
    while frame is not None:
        modules.add(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    has_begun = any(name.startswith("vaecli.experiments.") for name in modules)
    if modules & IMPORTING and not has_begun:
        os._exit(INTERRUPTED)
    raise KeyboardInterrupt
