"""The group of processes that work on one command: how they meet, fail together and part.

`torchrun` or `--devices N` starts them; the environment tells each of them which one it is. Process
0 prints and writes; the others end without a word if it is another one that fails.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import torch
from torch import distributed as dist

from .errors import EndedByAnother, ProcessLost, VaecliError, is_out_of_memory
from .process_variables import ADVICE, is_one_of_several, launched, parent, require_numbers
from .processes import collect, count, is_first, rank

# Process 0 may decode images for hours while the others wait. A process that ends is noticed at
# once, since its connections are closed.
TIMEOUT = timedelta(hours=24)
GRACE = 30.0  # seconds in which a process may save after the one that started it has gone
INTERRUPTED = 128 + signal.SIGINT

_is_awaited = False  # whether the others wait for `settle` before they do anything


@contextmanager
def join(others_wait: bool = False) -> Iterator[None]:
    """Inside the `with` block this process belongs to a group, if it was started as one of several.

    Args:
        others_wait: Whether the other processes begin with `settle`, so that process 0 owes it to
            them, even if it fails or ends before.

    Raises:
        ConfigError: The variables of the environment make no sense.
        ProcessLost: The other processes cannot be reached, or one has ended, and this is process 0.
        EndedByAnother: The same, and another process says so.
    """
    global _is_awaited
    if not is_one_of_several():
        yield
        return
    require_numbers()
    threading.Thread(target=_end_with, args=(parent(),), daemon=True).start()
    _initialize()
    _is_awaited = others_wait
    try:
        with lost_process_as_error():
            yield
            _end_wait(EndedByAnother(0))
    except BaseException as error:
        # the others end now, which makes torchrun end this process too: it has yet to say why
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_wait(error)
        raise
    finally:
        leave()


def _initialize() -> None:
    # With both, messages on the CPU wait for no GPU.
    both = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if both else "gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ProcessLost(f"Cannot reach the other processes: {reason}") from error


def leave() -> None:
    """Leave the group; from then on this process is alone. All processes do so at one place."""
    if count() > 1:
        dist.destroy_process_group()


def settle(failure: BaseException | None = None) -> None:
    """Tell all processes whether this one has failed. If one has, all of them raise.

    All have to call it at the same place.

    Raises:
        BaseException: `failure`, on process 0, and a defect of ours where it happened.
        VaecliError: On process 0, if only others failed: which one, and why.
        EndedByAnother: On the others.
    """
    global _is_awaited
    _is_awaited = False
    if count() == 1:
        if failure is not None:
            raise failure
        return
    own = None if failure is None else _describe(failure)
    failed = [(number, *said) for number, said in enumerate(collect(own)) if said is not None]
    if not failed:
        return
    if failure is not None and own is not None and (is_first() or not own[1]):
        raise failure
    number, status, text = failed[0]
    if not is_first() or not text:
        raise EndedByAnother(status)
    error = VaecliError(f"Process {number}: {text}")
    error.status = status
    raise error


@contextmanager
def settling() -> Iterator[None]:
    """All processes end the `with` block, or all fail; the errors are those of `settle`."""
    failure: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failure = error
    settle(failure)


def _end_wait(failure: BaseException) -> None:
    """Let the processes go that still wait for process 0, which fails or has ended."""
    if _is_awaited and is_first():
        with suppress(BaseException):
            settle(failure)


def _describe(failure: BaseException) -> tuple[int, str]:
    """The exit status of a failure, and what to say of it: nothing of a defect of ours."""
    if isinstance(failure, VaecliError):
        return failure.status, str(failure)
    if is_out_of_memory(failure):
        return 6, "Out of memory."
    if isinstance(failure, KeyboardInterrupt):
        return INTERRUPTED, "Interrupted."
    return 1, ""


# What gloo, NCCL and the store say of a process that has gone.
LOST = ("gloo", "NCCL", "Connection closed", "Connection reset", "Broken pipe")


@contextmanager
def lost_process_as_error(advice: str = "") -> Iterator[None]:
    """Raise the errors of `join` inside the block, for those that torch raises.

    Args:
        advice: How to go on.
    """
    number = rank()
    processes = count()
    try:
        yield
    except RuntimeError as error:
        is_lost = isinstance(error, dist.DistError) or any(text in str(error) for text in LOST)
        if processes == 1 or not is_lost:
            raise
        if number or launched():  # the launcher knows which one has gone, and why
            raise EndedByAnother(ProcessLost.status) from error
        text = f"Lost the connection to another process. {advice}"
        raise ProcessLost(text.strip()) from error


def _end_with(parent: int) -> None:
    """End this process when the one that started it has gone: as by SIGTERM, so that it saves."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)


def advise(text: str) -> None:
    """Tell the process that has started this one by `--devices` what to say if one is killed."""
    if launched():
        with suppress(RuntimeError):  # it has ended, and with it this process will
            host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
            store = dist.TCPStore(  # type: ignore[attr-defined]
                host, port, is_master=False, timeout=timedelta(seconds=2)
            )
            store.set(ADVICE, text)
