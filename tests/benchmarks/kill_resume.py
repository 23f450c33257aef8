"""Kill a training run at random moments, resume it, and compare with one that was never killed.

    python -m tests.benchmarks.kill_resume [--kills 20] [--epochs 4] [--images 6000] [--seed 0]

Each trial starts the same run in a process of its own, kills it (SIGKILL) at a random moment,
every fourth inside the fsync of a checkpoint, resumes it in another process, and compares with the
reference: every tensor of every checkpoint (last, best, each second epoch), losses.csv without its
columns of seconds, and the pictures must be the same to the last bit. Exits with 1 if one is not.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from vaecli.run import checkpoint

# In the child: die inside the N-th fsync, which is that of a file not yet renamed.
DIE_IN_FSYNC = """
import os, signal, sys
calls, fatal = 0, int(sys.argv.pop(1))
def fsync(handle, real=os.fsync):
    global calls
    calls += 1
    if calls == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    real(handle)
os.fsync = fsync
from vaecli.commands import main
main()
"""
PICTURES = ("data.png", "samples.png", "real-and-generated.png", "reconstructions.png")


def start(run: Path, options: list[str], fatal: int | None = None) -> subprocess.Popen[bytes]:
    program = ["-m", "vaecli"] if fatal is None else ["-c", DIE_IN_FSYNC, str(fatal)]
    command = [sys.executable, *program, "train", "-q", *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, err = process.communicate()
    if process.returncode:
        sys.exit(f"a run ended with status {process.returncode}: {err.decode()}")


def losses(run: Path) -> list[list[str]]:
    return [line.split(",")[:-2] for line in (run / "losses.csv").read_text().splitlines()]


def differences(run: Path, reference: Path) -> list[str]:
    """What is not the same in two runs."""
    found = []
    for path in (reference / "checkpoints").iterdir():
        ours, theirs = (checkpoint.load(r / "checkpoints" / path.name)[0] for r in (run, reference))
        names = sorted(ours.keys() | theirs.keys())
        same = [n in ours and n in theirs and torch.equal(ours[n], theirs[n]) for n in names]
        found += [f"{path.name}: {n}" for n, same in zip(names, same, strict=True) if not same]
    found += [] if losses(run) == losses(reference) else ["losses.csv"]
    pictures = [*PICTURES, *(str(p.relative_to(reference)) for p in reference.glob("samples/*"))]
    return found + [p for p in pictures if (run / p).read_bytes() != (reference / p).read_bytes()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("kills", 20), ("epochs", 4), ("images", 6000), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    options = ["--epochs", chosen.epochs, "--train-images", chosen.images, "--test-images", 1000]
    options += ["--validation", 500, "--save-every", 2]
    same = 0
    with tempfile.TemporaryDirectory() as root:
        reference = Path(root) / "reference"
        train = [*map(str, options), "--run-dir"]
        began = time.monotonic()
        finish(start(reference, [*train, str(reference)]))
        whole = time.monotonic() - began
        for trial in range(1, chosen.kills + 1):
            run = Path(root) / f"run-{trial}"
            fatal = random.randint(4, 30) if trial % 4 == 0 else None
            process = start(run, [*train, str(run)], fatal)
            moment = (
                f"in fsync {fatal}"
                if fatal
                else f"after {(wait := random.uniform(0.2, whole)):.2f} s"
            )
            if fatal is None:
                time.sleep(wait)
                process.kill()
            process.communicate()
            resumed = (run / "config.json").exists()
            again = ["--resume", str(run)] if resumed else [*train, str(run)]
            finish(start(run, again))
            left = [str(p) for p in run.rglob(".tmp-*")]
            wrong = differences(run, reference) + left
            same += not wrong
            print(
                f"{trial:3}  killed {moment:18} {'resumed' if resumed else 'started again':14}"
                f"{'identical' if not wrong else 'DIFFERS: ' + ', '.join(wrong[:5])}",
                flush=True,
            )
    print(f"{same} of {chosen.kills} identical")
    sys.exit(same != chosen.kills)


if __name__ == "__main__":
    main()
