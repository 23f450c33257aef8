"""Functions that several processes run together, connected by gloo.

`python -m tests.together MODULE:FUNCTION RANK COUNT FOLDER < GIVEN` is one of the processes.
"""

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

SILENCE = timedelta(seconds=60)  # until a process gives up waiting for another in an exchange
PATIENCE = 500  # seconds for all that the processes do


def run_together(function: str, count: int, folder: Path, given: object = None) -> list[Any]:
    """Call a function in `count` processes; what it returns in each of them.

    Args:
        function: `module:name`. It is called with `given`, the number of its process, and a
            function that connects the processes, which all of them have to call once.
        count: Number of processes.
        folder: An empty folder.
        given: A value for JSON, as is what the function returns.
    """
    (folder / "given.json").write_text(json.dumps(given))
    started: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(count):
            command = [sys.executable, "-m", __name__, function, str(rank), str(count), str(folder)]
            with (folder / f"{rank}.log").open("w") as log:
                started.append(subprocess.Popen(command, stdout=log, stderr=log))
        deadline = time.monotonic() + PATIENCE
        while any(process.poll() is None for process in started):
            failed = [rank for rank, process in enumerate(started) if process.poll()]
            assert not failed, (folder / f"{failed[0]}.log").read_text()
            assert time.monotonic() < deadline, "the processes take too long"
            time.sleep(0.05)
    finally:
        for process in started:
            process.kill()
            process.wait()
    logs = [(folder / f"{rank}.log").read_text() for rank in range(count)]
    assert all(process.returncode == 0 for process in started), "\n".join(logs)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(count)]


def connect(rank: int, count: int, folder: Path) -> None:
    """Make this process one of `count`, once all of them are here."""
    from torch import distributed as dist

    store = dist.FileStore(str(folder / "store"), count)
    store.set(f"here {rank}", "")
    store.wait([f"here {n}" for n in range(count)], timedelta(seconds=PATIENCE))
    dist.init_process_group("gloo", store=store, rank=rank, world_size=count, timeout=SILENCE)


def main() -> None:
    import torch

    module, name = sys.argv[1].split(":")
    rank, count, folder = int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    torch.set_num_threads(1)
    # Only double precision tells a mistake from rounding: `float` means full precision here.
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    given = json.loads((folder / "given.json").read_text())
    result = function(given, rank, lambda: connect(rank, count, folder))
    torch.distributed.destroy_process_group()
    (folder / f"{rank}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
