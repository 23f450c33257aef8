"""Several processes that work on one command, each started with the variables of torchrun."""

import os
import socket
import subprocess
from typing import Any

from tests.conftest import Outcome
from tests.processes import begin, end

# Process 0 gets a signal in the fifth batch of the second epoch.
SIGNALLED = """
import os, signal
from vaecli.experiments import train
def signalled(*arguments, fit=train.fit):
    for event in fit(*arguments):
        yield event
        if getattr(event, "epoch", 0) == 2 and event.batch == 5:
            os.kill(os.getpid(), signal.SIGTERM)
train.fit = signalled
"""

# The images of this process are others.
OTHER_IMAGES = """
from vaecli.data.splits import Splits
Splits.fingerprints = lambda splits: {}
"""

# Memory runs out, or our code is wrong, on this process: before the first batch, or in the third.
FAILS = """
from vaecli.experiments import follow
def failing(state, *images, fit=follow.fit):
    for event in fit(state, *images):
        yield event
        if event.batch == 2:
            raise {error}
if {before}:
    def failing(*arguments):
        raise {error}
setattr(follow, "load_all" if {before} else "fit", failing)
"""


def begin_several(
    count: int, *arguments: object, faults: dict[int, str] | None = None, **options: Any
) -> list[subprocess.Popen[str]]:
    """The command line in several processes, after the code `faults` of each."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        begin(
            *arguments,
            fault=(faults or {}).get(rank, ""),
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            **options,
        )
        for rank in range(count)
    ]


def run_several(
    count: int, *arguments: object, faults: dict[int, str] | None = None
) -> list[Outcome]:
    """The command line in several processes, to their end."""
    return list(map(end, begin_several(count, *arguments, faults=faults)))
