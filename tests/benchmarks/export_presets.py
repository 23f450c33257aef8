"""Trains every preset a little, exports it, and prints what came of each graph as a table.

python -m tests.benchmarks.export_presets [PRESET ...]

A number is the largest difference of the outputs of a file, in ONNX or of torch.export, from those
of the model: absolute, and for values above 1 relative; of scores in nats per pixel value.
"""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.conftest import vaecli
from vaecli.config.presets import PRESETS
from vaecli.export.export import export_run
from vaecli.export.exported import Exported
from vaecli.run.find import open_run

# 256 images of MNIST are too few for the fitted priors of these presets.
SMALLER = {
    "sharp": ["--fitted-prior", "mixture:components=8"],
    "sharp-conditional": ["--fitted-prior", "mixture:components=2"],
}
IMAGES = ["--train-images", "256", "--test-images", "32", "--epochs", "1"]
GRAPHS = ("encoder", "decoder", "scorer", "sampler", "classifier")


def export_preset(name: str, folder: Path) -> Exported:
    """Train a preset for an epoch of 256 images of MNIST, in a new folder, and export it."""
    options = ["--preset", name, *IMAGES, *SMALLER.get(name, []), "--run-dir", str(folder), "-q"]
    if name == "m2":
        options += ["--labels", "50"]
    with contextlib.redirect_stdout(sys.stderr):
        assert vaecli("train", *options) == 0
    return export_run(open_run(folder), folder / "export")


def export_all(names: list[str]) -> Iterator[tuple[str, Exported]]:
    """The name of each preset, and its export."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            yield name, export_preset(name, Path(folder) / name)


def cell(exported: Exported, graph: str) -> str:
    """The difference of a graph, or why there is none."""
    files = [file for file in exported.files if file.graph == graph]
    found = [f"{max(file.max_difference for file in files):.0e}"] if files else []
    reasons = [exported.refused[graph]] if graph in exported.refused else []
    return "; ".join([*found, *reasons]) or "—"


def main() -> None:
    torch.set_num_threads(1)
    print("| preset |", " | ".join(GRAPHS), "|")
    print("|-|" + "-|" * len(GRAPHS))
    for name, exported in export_all(sys.argv[1:] or list(PRESETS)):
        cells = [cell(exported, graph) for graph in GRAPHS]
        print("|", " | ".join([f"`{name}`", *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
