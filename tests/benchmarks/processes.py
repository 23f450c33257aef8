"""One process against two: losses, seconds per epoch, and the time that an exchange takes.

    python -m tests.benchmarks.processes [losses] [seconds] [exchange] [--pairs 5] [--page]

losses    Two epochs of MNIST in float32 by one and by two processes with the same global batch: how
          far apart the losses of each epoch are. The numbers are the same but for rounding, which
          grows. So that this can be told from a mistake, one process trains three times more, from
          weights changed by a ten-millionth. Allowed are 0.1 nats, or three times the most that
          this changes; for aae, a game, the losses are only shown.
seconds   The time of an epoch by one and by two processes of one thread each, which take turns.
exchange  The time in which two processes on this machine add up gradients of several sizes.

Without a name, all three. Prints tables; --page also writes them into `.github/docs/scale.md`.
Needs a machine that is otherwise idle and has two cores or more.
"""

import argparse
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import distributed as dist

from vaecli.config.presets import config_from_layers
from vaecli.data.splits import load
from vaecli.training.epoch import Epoch
from vaecli.training.loop import fit
from vaecli.training.runtime import setup_runtime
from vaecli.training.state import start

PAGE = Path(__file__).parents[2] / ".github" / "docs" / "scale.md"
PRESETS = ("vae", "cvae", "iwae", "aae", "vq-vae")
ALLOWED = 0.1  # nats
ROUNDING = 1e-7  # relative
CONTROLS = 3  # trainings from changed weights
EPOCHS = 2
BATCHES = (128, 1024)
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)  # parameters
ROUNDS = 50
FLAGS = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile")
Table = list[str]


def command(processes: int, module: str, *arguments: object) -> list[str]:
    """The command that runs a module in so many processes on this machine."""
    words = [sys.executable, "-m"]
    if processes > 1:
        words += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    return [*words, module, *map(str, arguments)]


def run(words: list[str]) -> str:
    """What a command prints on stdout."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def train(processes: int, *options: object) -> list[dict[str, str]]:
    """The rows of losses.csv of a training by processes of one thread each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        words = ("train", "-q", "--threads", 1, "--run-dir", path, *options)
        run(command(processes, "vaecli", *words))
        with (path / "losses.csv").open(newline="") as file:
            return list(csv.DictReader(file))


def train_changed(preset: str, images: int | None, seed: int) -> list[float]:
    """Test losses of a training in this process, from weights changed by about one rounding."""
    options = {"preset": preset, "epochs": EPOCHS, "train_images": images}
    config = config_from_layers(options)
    splits = load(config)
    state = start(config, splits.train)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.mul_(1 + ROUNDING * torch.randn(parameter.shape, generator=random))
    events = fit(state, splits.train, splits.test)
    return [event.test["loss"] for event in events if isinstance(event, Epoch)]


def compare_losses(presets: Sequence[str], images: int | None) -> Table:
    """A line for each epoch of each preset: test losses and differences, in nats per image."""
    heads = ["preset", "epoch", "1 process", "2 processes", "difference", "changed weights"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    limit = () if images is None else ("--train-images", images)
    for preset in presets:
        options = ("--preset", preset, "--epochs", EPOCHS, *limit)
        runs = [train(processes, *options) for processes in (1, 2)]
        changed = [train_changed(preset, images, seed) for seed in range(CONTROLS)]
        for one, two, *others in zip(*runs, *changed, strict=True):
            losses = [float(row["test_loss"]) for row in (one, two)]
            apart = abs(losses[0] - losses[1])
            control = max(abs(losses[0] - other) for other in others)
            cells = [preset, one["epoch"], *(f"{loss:.3f}" for loss in losses)]
            cells += [f"{apart:.1e}", f"{control:.1e}"]
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], file=sys.stderr)
            if preset != "aae" and apart > max(ALLOWED, 3 * control):
                sys.exit(f"{preset} differs by {apart:.3f} nats.")
    return lines


def compare_seconds(pairs: int, images: int | None) -> Table:
    """A line for each batch size: seconds per epoch, and their ratio by pairs."""
    lines = [
        "| global batch | 1 process | 2 processes | time of 2 / time of 1 (quartiles) |",
        "|---|---|---|---|",
    ]
    limit = () if images is None else ("--train-images", images)
    for batch in BATCHES:
        times: dict[int, list[float]] = {1: [], 2: []}
        for pair in range(pairs):
            for processes in (1, 2) if pair % 2 else (2, 1):
                rows = train(processes, "--epochs", EPOCHS, "--batch-size", batch, *limit)
                times[processes].append(float(rows[-1]["train_seconds"]))
        ratios = [two / one for one, two in zip(*times.values(), strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        medians = [f"{statistics.median(found):.2f} s" for found in times.values()]
        lines.append(f"| {batch} | {' | '.join(medians)} | {middle:.2f} ({low:.2f}-{high:.2f}) |")
        print(lines[-1], file=sys.stderr)
    return lines


def exchange() -> Iterator[tuple[int, float]]:
    """Numbers of parameters, and the median seconds in which this group adds them up."""
    for size in SIZES:
        gradients = torch.ones(size)
        seconds = []
        for _ in range(ROUNDS):
            dist.barrier()
            began = time.perf_counter()
            dist.all_reduce(gradients)
            seconds.append(time.perf_counter() - began)
        yield size, statistics.median(seconds)


def measure_exchange() -> Table:
    """A line for each number of parameters: the time in which two processes add them up."""
    lines = ["| parameters | bytes | all-reduce by 2 processes |", "|---|---|---|"]
    for line in run(command(2, "tests.benchmarks.processes", "exchange")).splitlines():
        size, seconds = line.split()
        lines.append(f"| {int(size):,} | {int(size) * 4:,} | {float(seconds) * 1000:.2f} ms |")
    return lines


def machine() -> str:
    """The processor, and those of its units that decide the speed."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    name = re.search(r"model name\s*: (.*)", text)
    flags = set(re.findall(r"(?m)^flags\s*: (.*)$", text)[:1] and text.split())
    units = " ".join(flag for flag in FLAGS if flag in flags)
    cpu = name[1] if name else "unknown processor"
    return f"Measured on {os.cpu_count()} cores of {cpu} ({units}), torch {torch.__version__}."


def write_page(tables: dict[str, Table]) -> None:
    """Put tables into their places in the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in {**tables, "machine": [machine()]}.items():
        place = rf"(?s)(<!-- {name} -->\n).*?(\n<!-- end -->)"
        content = "\n".join(lines)
        text, found = re.subn(place, lambda m, c=content: m[1] + c + m[2], text)
        assert found == 1, f"{PAGE} has no place for {name}"
    PAGE.write_text(text, encoding="utf-8")


def main() -> None:
    if "WORLD_SIZE" in os.environ:  # one of the processes that measure the exchange
        torch.set_num_threads(1)
        dist.init_process_group("gloo")
        for size, seconds in exchange():
            if dist.get_rank() == 0:
                print(size, seconds)
        dist.destroy_process_group()
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="losses, seconds, exchange; by default all")
    parser.add_argument("--pairs", type=int, default=5, help="of trainings by 1 and 2 processes")
    parser.add_argument("--images", type=int, help="of training; by default all")
    parser.add_argument("--page", action="store_true", help="write the tables into the page")
    parser.add_argument("--presets", nargs="*", default=PRESETS, help="of losses")
    given = parser.parse_args()
    if given.pairs < 2:
        parser.error("quartiles need two pairs or more")
    setup_runtime(1)
    parts: dict[str, Callable[[], Table]] = {
        "losses": lambda: compare_losses(given.presets, given.images),
        "seconds": lambda: compare_seconds(given.pairs, given.images),
        "exchange": measure_exchange,
    }
    print(machine())
    tables = {name: parts[name]() for name in given.parts or parts}
    for lines in tables.values():
        print("", *lines, sep="\n")
    if given.page:
        write_page(tables)


if __name__ == "__main__":
    main()
