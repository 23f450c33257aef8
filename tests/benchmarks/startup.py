"""How long help, the version and completion take: each is the least of ten processes.

    python -m tests.benchmarks.startup [--runs 10]

Prints a line for each, beside its limit: 0.2 s for `vaecli --help`, the version and completion,
0.4 s for the help of a command. Exits with 1 if one takes longer.
"""

import argparse
import os
import subprocess
import sys
import time

from vaecli.commands.app import COMMANDS, DATA_COMMANDS

LIMIT = 0.2  # seconds
COMMAND_LIMIT = 0.4
COMPLETION = {
    "_VAECLI_COMPLETE": "complete_bash",
    "COMP_WORDS": "vaecli train --prior vam",
    "COMP_CWORD": "3",
}


def least_seconds(runs: int, *arguments: str, **environment: str) -> float:
    """The least time that a process of the command line takes."""
    command = [sys.executable, "-m", "vaecli", *arguments]
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(
            command, stdout=subprocess.DEVNULL, env={**os.environ, **environment}, check=True
        )
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    measured = {
        "--help": (least_seconds(runs, "--help"), LIMIT),
        "--version": (least_seconds(runs, "--version"), LIMIT),
        "completion": (least_seconds(runs, **COMPLETION), LIMIT),
    }
    names = [module.__name__.rpartition(".")[2].replace("_", "-") for module in COMMANDS]
    names += [module.__name__.rpartition(".")[2].replace("_", " ") for module in DATA_COMMANDS]
    for name in names:
        needed = least_seconds(runs, *name.split(), "--help")
        measured[f"{name} --help"] = (needed, COMMAND_LIMIT)
    for what, (seconds, limit) in measured.items():
        print(f"{what:20} {seconds:.2f} s, at most {limit} s")
    sys.exit(any(seconds > limit for seconds, limit in measured.values()))


if __name__ == "__main__":
    main()
