"""Starts this command as several processes on this machine, and watches them.

They are started by the part of torchrun that does so, with the variables that torchrun sets in
their environment, and with the standard streams of this process.
"""

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # it is documented as public
from torch.distributed.elastic.multiprocessing import (
    DefaultLogsSpecs,
    ProcessFailure,
    SubprocessContext,
)

from .errors import ConfigError, ProcessLost, VaecliError
from .process_variables import ADVICE, LAUNCHER

PER_CORE = 4
HOST = "127.0.0.1"
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
POLL = 0.1  # seconds


def launch(processes: int) -> int:
    """Run this command in several processes; the exit status of process 0, which prints its errors.

    If one ends before the others, they are ended too: by SIGTERM, and by SIGKILL after 30 seconds.

    Args:
        processes: How many.

    Raises:
        ConfigError: They are too many for this machine.
        VaecliError: A signal has ended one of them; the status is 128 plus the signal's number.
    """
    limit = PER_CORE * (os.cpu_count() or 1)
    if processes > limit:
        raise ConfigError(f"devices={processes}: at most {limit} on this machine, 4 per core.")
    store = _serve_store()
    context = _prepare(processes, store.port)
    received: list[int] = []
    with _forward_signals(context, received):
        context.start()
        for number in tuple(received):  # before all of them were started
            _send(context, number)
        result = context.wait(period=POLL)
    return _status(result.failures if result else {}, received, store)


def _serve_store() -> TCPStore:
    """The table in which the processes find each other. Only this machine can reach it."""
    server = socket.create_server((HOST, 0))
    port = server.getsockname()[1]
    return TCPStore(
        HOST, port, is_master=True, wait_for_workers=False, master_listen_fd=server.detach()
    )


def _prepare(processes: int, port: int) -> SubprocessContext:
    # This process says what has failed, in one sentence.
    logging.getLogger("torch.distributed.elastic").addHandler(logging.NullHandler())
    logging.getLogger("torch.distributed.elastic").propagate = False
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = ""  # they are forwarded instead
    shared = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": HOST,
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", LOOPBACK),
        # of a process that has gone, this one says so
        "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),
        LAUNCHER: str(os.getpid()),
    }
    # Without -P, a file of the current folder could stand in the way of a library.
    words = ("-P", "-m", "vaecli", *sys.argv[1:])
    return SubprocessContext(
        "vaecli",
        sys.executable,
        dict.fromkeys(range(processes), words),
        {n: {**shared, "RANK": str(n), "LOCAL_RANK": str(n)} for n in range(processes)},
        DefaultLogsSpecs(os.devnull),
    )


@contextmanager
def _forward_signals(context: SubprocessContext, received: list[int]) -> Iterator[None]:
    """Inside the `with` block, send the signals that this process gets to those it has started.

    They are in sessions of their own, so that a terminal does not send them any.

    Args:
        context: The processes.
        received: Gets the numbers of the signals.
    """

    def forward(number: int, frame: FrameType | None) -> None:
        received.append(number)
        _send(context, number)

    handlers: dict[int, Any] = {}
    for name in SIGNALS:
        number = getattr(signal, name, None)
        # A signal that is ignored from the start, as under nohup, stays ignored.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            handlers[number] = signal.signal(number, forward)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _send(context: SubprocessContext, number: int) -> None:
    for handler in context.subprocess_handlers.values():
        handler.proc.send_signal(number)


def _status(failures: dict[int, ProcessFailure], received: list[int], store: TCPStore) -> int:
    """The exit status of the command.

    Args:
        failures: The processes that failed, in the order in which they ended.
        received: The signals that were sent on to all of them.
        store: Where process 0 has left its advice.

    Raises:
        VaecliError: A signal has ended one of the processes.
    """
    if 0 not in failures:
        return 0
    own = failures[0].exitcode
    if received and (own < 0 or own == ProcessLost.status):
        return 128 + received[0]  # at a second signal, or before they had met
    codes = [(number, failure.exitcode) for number, failure in failures.items()]
    # the others were ended by SIGTERM thereafter
    killed = [(n, code) for n, code in codes if code < 0 and code != -signal.SIGTERM]
    if own > 0 and not killed:
        return own
    number, code = (killed or codes)[0]
    error = VaecliError(f"{_describe(number, code)} {_advice(store)}".strip())
    error.status = 128 - code if code < 0 else code
    raise error


def _describe(number: int, code: int) -> str:
    if code >= 0:
        return f"Process {number} has failed."
    hint = ", as when memory runs out" * (code == -signal.SIGKILL)
    return f"Process {number} was ended by {signal.Signals(-code).name}{hint}."


def _advice(store: TCPStore) -> str:
    return store.get(ADVICE).decode() if store.check([ADVICE]) else ""
