"""Kill training runs at random moments, resume them, and compare with runs never killed.

    python -m tests.benchmarks.kill_resume [--configuration NAME|all] [--kills 20] [--epochs 4]
        [--images 6000] [--seed 0]

Each trial starts the same run in a process of its own, kills it (SIGKILL) at a random moment,
every fourth inside the fsync of a checkpoint, resumes it in another process, and compares with the
reference: every tensor of every checkpoint (last, best, each second epoch), also of a prior that is
fitted after training, losses.csv without its columns of seconds, the pictures, and the counts of
run.json must be the same to the last bit.
Exits with 1 if one is not.
"""

import argparse
import json
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

# Every kind of state that a checkpoint must restore.
CONFIGURATIONS = {
    "default": "",
    "aae": "--preset aae",
    "m2": "--preset m2",
    "vq-vae": "--preset vq-vae",
    "vae-gan": "--preset vae-gan",
    "cosine": "--lr-schedule cosine --lr-warmup 0.3",
    "patience": "--patience 1 --lr 0.01",
    # with 4 epochs of 6,000 images the loss overflows in epoch 3, and no longer at half the rate
    "rollback": "--on-nan rollback --optimizer sgd --lr 0.025 --lr-warmup 0.9",
    "batch-norm": "--network mlp:norm=batch --binarize dynamic",
    "ladder": "--preset ladder",
    # more iterations than the preset has, so that more kills come during the fit
    "sharp": "--preset sharp --fitted-prior mixture:components=400,iterations=100",
}


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


def counts(run: Path) -> list[object]:
    record = json.loads((run / "run.json").read_text())
    return [record[name] for name in ("status", "reason", "epochs_done", "rollbacks")]


def differences(run: Path, reference: Path) -> list[str]:
    """What is not the same in two runs."""
    found = []
    for path in (reference / "checkpoints").iterdir():
        ours, theirs = (checkpoint.load(r / "checkpoints" / path.name)[0] for r in (run, reference))
        names = sorted(ours.keys() | theirs.keys())
        same = [n in ours and n in theirs and torch.equal(ours[n], theirs[n]) for n in names]
        found += [f"{path.name}: {n}" for n, same in zip(names, same, strict=True) if not same]
    found += [] if losses(run) == losses(reference) else ["losses.csv"]
    found += [] if counts(run) == counts(reference) else ["run.json"]
    pictures = [*PICTURES, *(str(p.relative_to(reference)) for p in reference.glob("samples/*"))]
    return found + [p for p in pictures if (run / p).read_bytes() != (reference / p).read_bytes()]


def kill(run: Path, train: list[str], longest: float, fatal: int | None) -> str:
    """Start a run, kill it, and say when."""
    process = start(run, [*train, str(run)], fatal)
    moment = f"in fsync {fatal}"
    if fatal is None:
        wait = random.uniform(0.2, longest)
        moment = f"after {wait:.2f} s"
        time.sleep(wait)
        process.kill()
    process.communicate()
    return moment + (", in the fit" if is_fitting(run) else "")


def is_fitting(run: Path) -> bool:
    """Whether a run ended in the fit of a prior."""
    log = run / "train.log"
    text = log.read_text() if log.exists() else ""
    return text.count("Fitting ") > text.count("Fitted ")


def trials(name: str, options: list[str], kills: int) -> int:
    """The number of killed runs that differ from one that was never killed."""
    different = 0
    with tempfile.TemporaryDirectory() as root:
        reference = Path(root) / "reference"
        train = [*options, *CONFIGURATIONS[name].split(), "--run-dir"]
        began = time.monotonic()
        finish(start(reference, [*train, str(reference)]))
        whole = time.monotonic() - began
        print(f"{name}: {counts(reference)}", flush=True)
        for trial in range(1, kills + 1):
            run = Path(root) / f"run-{trial}"
            fatal = random.randint(4, 30) if trial % 4 == 0 else None
            moment = kill(run, train, whole, fatal)
            resumed = (run / "config.json").exists()
            again = ["--resume", str(run)] if resumed else [*train, str(run)]
            finish(start(run, again))
            left = [str(path) for path in run.rglob(".tmp-*")]
            wrong = differences(run, reference) + left
            different += bool(wrong)
            print(
                f"{trial:3}  killed {moment:28} {'resumed' if resumed else 'started again':14}"
                f"{'identical' if not wrong else 'DIFFERS: ' + ', '.join(wrong[:5])}",
                flush=True,
            )
    print(f"{name}: {kills - different} of {kills} identical", flush=True)
    return different


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configuration", choices=[*CONFIGURATIONS, "all"], default="default")
    for name, default in (("kills", 20), ("epochs", 4), ("images", 6000), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    options = ["--epochs", chosen.epochs, "--train-images", chosen.images, "--test-images", 1000]
    options += ["--validation", 500, "--save-every", 2]
    names = [chosen.configuration] if chosen.configuration != "all" else list(CONFIGURATIONS)
    sys.exit(sum(trials(name, list(map(str, options)), chosen.kills) for name in names) > 0)


if __name__ == "__main__":
    main()
