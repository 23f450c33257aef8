"""How time and memory grow with data, latent size, width and batch: one process for each point.

    python -m tests.benchmarks.scale [--epochs 2] [--out FILE.png]

Each point is a whole `vaecli train` on MNIST, repeated 1, 4 and 16 times in files for the first
axis, and the first 20,000 images for the others. The time is that of the quickest epoch, as it is
in losses.csv; memory is the most that the process held, beyond what `import torch` alone takes.
Draws both, with what memory may grow to, and writes a CSV beside the picture.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.benchmarks import write_csv
from tests.conftest import idx
from vaecli.data.readers.idx import FILE_CONTENTS, FILE_PREFIXES, read_split
from vaecli.data.readers.named import BUNDLED_MNIST

IMAGE = 28 * 28  # bytes
BEYOND = 250e6  # bytes that training may take beyond torch and 1.2 times the data
AXES = {
    "times the 60,000 images": (1, 4, 16),
    "latent-dim": (2, 8, 32, 128, 512),
    "width": (100, 200, 400, 800, 1600),
    "batch-size": (32, 128, 512, 2048),
}
Row = dict[str, float | str]


def run(*lines: str) -> int:
    """The most bytes that a process of these lines of Python held in memory."""
    # Not by its resource usage: that begins with what the process that started it holds.
    read = "print(*(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    command = [sys.executable, "-c", "\n".join([*lines, read])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-2]) * 1024


def repeat(times: int, folder: Path) -> Path:
    """MNIST files with the training images so many times, not compressed."""
    for split, count in (("train", times), ("test", 1)):
        for kind, tensor in zip(FILE_CONTENTS, read_split(BUNDLED_MNIST, split), strict=True):
            repeated = tensor.repeat(count, *[1] * (tensor.ndim - 1))
            (folder / f"{FILE_PREFIXES[split]}-{kind}").write_bytes(idx(repeated.numpy()))
    return folder


def point(epochs: int, *options: str) -> tuple[float, int]:
    """Seconds of the quickest epoch of a training, and the most bytes that it held."""
    with tempfile.TemporaryDirectory() as folder:
        train = ["vaecli", "train", "-q", "--epochs", str(epochs), "--run-dir", f"{folder}/run"]
        lines = [
            "import sys",
            f"sys.argv = {[*train, *options]}",
            "from vaecli.commands import app",
        ]
        peak = run(*lines, "app(standalone_mode=False)")
        with Path(folder, "run", "losses.csv").open(newline="") as file:
            return min(float(row["train_seconds"]) for row in csv.DictReader(file)), peak


def points(epochs: int) -> Iterator[Row]:
    """A row for every point of every axis."""
    alone = run("import torch")
    for axis, values in AXES.items():
        for value in values:
            images, options = 20_000, ["--train-images", "20000"]
            with tempfile.TemporaryDirectory() as folder:
                if axis in ("latent-dim", "batch-size"):
                    options += [f"--{axis}", str(value)]
                elif axis == "width":
                    options += ["--network", f"mlp:width={value}"]
                else:
                    images = value * 60_000
                    options = ["--data-dir", str(repeat(value, Path(folder)))]
                seconds, peak = point(epochs, *options)
            data = (images + 10_000) * IMAGE
            row: Row = {"axis": axis, "value": value, "seconds": seconds, "data": data}
            yield row | {"peak": peak - alone, "may": 1.2 * data + BEYOND}


def draw(rows: list[Row], path: Path) -> None:
    """Time above, memory below, a column for each axis."""
    figure = Figure(figsize=(13, 6), layout="constrained")
    panels = figure.subplots(2, len(AXES), sharey="row", squeeze=False)
    for column, axis in enumerate(AXES):
        chosen = [row for row in rows if row["axis"] == axis]
        values = [float(row["value"]) for row in chosen]
        above, below = panels[:, column]
        times = [float(row["seconds"]) for row in chosen]
        above.plot(values, times, "o-", color="#3f90da", label="measured")
        through = [times[0] * value / values[0] for value in values]
        if axis.startswith("times"):
            above.plot(values, through, ":", color="black", label="in proportion")
        for name, label, style in (("peak", "measured", "o-"), ("may", "allowed", ":")):
            amounts = [float(row[name]) / 1e6 for row in chosen]
            color = "#3f90da" if name == "peak" else "black"
            below.plot(values, amounts, style, color=color, label=label)
        above.set(xscale="log", yscale="log", xticks=[], title=axis)
        below.set(xscale="log", yscale="log", xlabel=axis)
        for panel in (above, below):
            _ticks(panel, values)
    panels[0, 0].set_ylabel("seconds per epoch")
    panels[1, 0].set_ylabel("MB beyond import torch")
    panels[0, 0].set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    panels[1, 0].set_yticks([150, 300, 600, 1200], ["150", "300", "600", "1200"])
    panels[0, 0].legend(frameon=False)
    panels[1, 0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def _ticks(panel: Axes, values: list[float]) -> None:
    panel.set_xticks(values, [f"{value:g}" for value in values])
    panel.minorticks_off()
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("scale.png"))
    options = parser.parse_args()
    rows = []
    for row in points(options.epochs):
        rows.append(row)
        print(*(f"{name}={value}" for name, value in row.items()), flush=True)
    draw(rows, options.out)
    write_csv(options.out.with_suffix(".csv"), rows)


if __name__ == "__main__":
    main()
