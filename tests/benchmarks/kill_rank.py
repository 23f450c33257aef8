"""Kill one of several processes at random moments, resume, and compare with one process.

    python -m tests.benchmarks.kill_rank [--kills 10] [--devices 2] [--epochs 3] [--images 3000]
        [--seed 0]

Each trial starts the same run by `vaecli train --devices N`, kills (SIGKILL) one of its processes
or, every fifth time, the one that has started them, and checks: all of them end within seconds; the
message and the status name the signal; the checkpoint can be read and the lock is free; resumed in
1, 2 or 3 processes, the run ends with the losses of a run that one process has trained alone, up to
rounding, and no epoch is missing or doubled. Exits with 1 if something is wrong. Needs Linux.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.kill_resume import counts, losses
from vaecli.run import checkpoint, names
from vaecli.run.lock import require_free
from vaecli.system.errors import VaecliError

TOLERANCE = 0.05  # nats: rounding grows in training, but a batch too many would change more
LIMIT = 30.0  # seconds in which all processes have to end; most of them are those of a save


def start(*options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vaecli", "train", "--progress", "none", *map(str, options)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, encoding="utf-8", **pipes)


def finish(process: subprocess.Popen[str]) -> float:
    """Wait for the end of a run that must not fail; how long it took, in seconds."""
    began = time.monotonic()
    _, err = process.communicate()
    if process.returncode:
        sys.exit(f"a run ended with status {process.returncode}: {err}")
    return time.monotonic() - began


def children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def kill(process: subprocess.Popen[str], trial: int) -> tuple[str, list[int]]:
    """Kill a process of a training; which one, and the ids of all."""
    ranks = children(process.pid)
    rank = random.randrange(len(ranks)) if ranks and trial % 5 else None
    victim = process if rank is None else None
    if victim:
        victim.kill()
        return "the launcher", [process.pid, *ranks]
    assert rank is not None
    Path(f"/proc/{ranks[rank]}").stat()
    subprocess.run(["kill", "-KILL", str(ranks[rank])], check=True)
    return f"process {rank}", [process.pid, *ranks]


def faults_of_end(process: subprocess.Popen[str], who: str, pids: list[int]) -> list[str]:
    """What is wrong with the end of a training of which a process was killed."""
    began = time.monotonic()
    _, err = process.communicate(timeout=300)
    while any(map(is_running, pids)) and time.monotonic() - began < LIMIT:
        time.sleep(0.05)
    seconds = time.monotonic() - began
    found = [f"process {pid} runs on" for pid in pids if is_running(pid)]
    if "Traceback" in err:
        found.append(f"a traceback: {err}")
    if process.returncode == 0:  # process 0 was done with all but its pictures
        expected, said = 0, ""
    elif who == "the launcher":
        expected, said = -signal.SIGKILL, ""
    else:
        expected, said = 128 + signal.SIGKILL, f"{who.capitalize()} was ended by SIGKILL"
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    if process.returncode != expected:
        found.append(f"status {process.returncode}")
    if said not in (errors or [""])[-1] or len(errors) > 1:
        found.append(f"messages {errors}")
    print(f"    all ended after {seconds:.1f} s: {(err.splitlines() or [''])[-1]}")
    return found


def faults_of_run(run: Path) -> list[str]:
    """What is wrong with the files of a run that was killed."""
    try:
        if run.exists():
            require_free(run)
        if (run / names.CHECKPOINT).exists():
            checkpoint.load(run / names.CHECKPOINT)
    except VaecliError as error:
        return [str(error)]
    return []


def differences(run: Path, reference: Path) -> list[str]:
    """What differs from a run that one process has trained without a break."""
    ours, theirs = losses(run), losses(reference)
    found = [] if counts(run) == counts(reference) else [f"run.json: {counts(run)}"]
    if [row[0] for row in ours] != [row[0] for row in theirs]:
        return [*found, f"epochs {[row[0] for row in ours]}"]
    for mine, other in zip(ours[1:], theirs[1:], strict=True):
        for a, b in zip(map(float, mine), map(float, other), strict=True):
            if abs(a - b) > TOLERANCE:
                found.append(f"epoch {mine[0]}: {a} instead of {b}")
    left = [str(path) for path in run.rglob(".tmp-*")]
    return found + left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("kills", 10), ("devices", 2), ("epochs", 3), ("images", 3000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    options = ["--epochs", chosen.epochs, "--train-images", chosen.images, "--test-images", 1000]
    options += ["--validation", 500, "--save-every", 2, "--threads", 1]
    wrong = 0
    with tempfile.TemporaryDirectory() as root:
        reference = Path(root) / "reference"
        finish(start(*options, "--run-dir", reference))
        whole = Path(root) / "whole"
        longest = finish(start(*options, "--run-dir", whole, "--devices", chosen.devices))
        print(f"without a kill: {longest:.1f} s, {differences(whole, reference) or 'the same'}")
        trial = 0
        while trial < chosen.kills:
            run = Path(tempfile.mkdtemp(dir=root)) / "run"
            process = start(*options, "--run-dir", run, "--devices", chosen.devices)
            wait = random.uniform(0.3, longest)
            time.sleep(wait)
            if process.poll() is not None:  # it was faster than the first one
                process.communicate()
                continue
            trial += 1
            who, pids = kill(process, trial)
            print(f"{trial:3}  killed {who} after {wait:.1f} s", flush=True)
            faults = faults_of_end(process, who, pids) + faults_of_run(run)
            done = len(losses(run)) - 1 if (run / names.LOSSES).exists() else 0
            again = random.choice([1, 2, 3])
            go_on = ["--resume", run] if (run / names.CONFIG).exists() else [*options, "-r", run]
            finish(start(*go_on, "--devices", again))
            faults += differences(run, reference)
            wrong += bool(faults)
            how = f"with {done} epochs resumed in {again}" if len(go_on) == 2 else "begun again"
            print(f"    {how}: {'; '.join(faults) or 'the same losses'}", flush=True)
    print(f"{chosen.kills - wrong} of {chosen.kills} as they should be")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
