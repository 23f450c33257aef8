"""Train the golden runs: small runs of release 0.1.0 that later releases must go on reading.

    PYTHONPATH=CHECKOUT/src python -m tests.golden.make [NAME ...]

CHECKOUT holds release 0.1.0; another release is refused, since these runs exist to prove that old
files still work. Makes the named runs, or all, each in a folder of this package that must not
exist yet:

    run/            the run directory without its pictures: config.json, run.json, losses.csv,
                    train.log, checkpoints
    expected.json   what `vaecli evaluate` printed (`evaluate`); what it printed with --samples,
                    where the posterior has a density (`evaluate_samples`); the row of losses.csv
                    of one more epoch, trained on a copy (`resumed`)
    expected.npz    `reconstructions`: pixel means of the first 4 test images, shape
                    (4, 1, 28, 28)

Two epochs are trained; `interrupted` was stopped in the middle of its third. The commands run in
this process under the name `vaecli`, in the folder of the run, so that no file holds a path. The
host in run.json is written as `localhost`.
"""

import csv
import io
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

import vaecli
from tests.conftest import vaecli as command

RELEASE = "0.1.0"
GOLDEN = Path(__file__).parent
SAMPLES = ("--samples", "50", "-n", "20")  # of the estimate of log p(x)

COMMON = {
    "--epochs": "2",
    "--train-images": "200",
    "--test-images": "100",
    "--batch-size": "10",
    "--lr": "0.01",
    "--latent-dim": "4",
    "--network": "mlp:width=2,depth=1,activation=silu",
    "--sample-every": "100",
    "--device": "cpu",
    "--threads": "1",
}
# Option values lie far from the defaults, so that losing one on the way changes the numbers.
CONV = {"--network": "conv:width=1,depth=2,activation=silu"}
CRITIC = "width=8,depth=1"
RUNS: dict[str, dict[str, str]] = {
    "vae": {"--network": "mlp:width=4,depth=1", "--validation": "40"},
    "vae-fast": {
        "--preset": "vae-fast",
        "--network": "mlp:width=2,depth=1,activation=silu,bias=data",
        "--warmup": "0.9",
    },
    "warmup": {"--preset": "warmup"},
    "cyclical": {"--objective": "elbo:cycle=20", "--optimizer": "adamw:weight_decay=0.5"},
    "capacity": {"--objective": "elbo:capacity=30,over=6,gamma=3"},
    "miwae": {"--objective": "iwae:samples=2,outer=3"},
    "piwae": {"--objective": "piwae:samples=2,outer=3"},
    "cvae": {"--preset": "cvae"},
    "cvae-prior": {**CONV, "--conditional": "", "--prior": "conditional"},
    "flow": {"--posterior": "flow:depth=2,width=8", "--prior": "flow:depth=2,width=8"},
    "planar": {**CONV, "--posterior": "planar:depth=2", "--likelihood": "laplace:scale=pixel"},
    "iaf": {**CONV, "--posterior": "iaf:width=8", "--likelihood": "continuous-bernoulli"},
    "vamp": {
        "--prior": "vamp:components=2",
        "--objective": "renyi:alpha=0.2,samples=3",
        "--binarize": "threshold",
    },
    "mixture": {
        **CONV,
        "--prior": "mixture:components=3",
        "--objective": "dreg:samples=3",
        "--optimizer": "sgd",
        "--lr": "0.001",
    },
    "residual-vq": {"--posterior": "quantized:levels=2,codes=8", "--prior": "codes"},
    "hvae": {
        "--network": "resnet:width=1,depth=2,norm=batch",
        "--posterior": "hierarchical:width=8",
        "--prior": "hierarchical:width=8",
    },
    "ladder": {"--posterior": "ladder:width=8", "--prior": "hierarchical:width=8"},
    "svae": {"--posterior": "vmf", "--prior": "sphere"},
    "aae-labels": {
        "--preset": "aae-labels",
        "--latent-dim": "2",
        "--prior": "ring:along=0.9,across=0.05",
        "--objective": f"adversarial:labels=true,weight=100,slope=20,{CRITIC}",
    },
    "aae-swiss-roll": {
        **CONV,
        "--preset": "aae-swiss-roll",
        "--latent-dim": "2",
        "--prior": "swiss-roll:scale=0.6",
        "--objective": f"adversarial:weight=100,{CRITIC}",
    },
    "vae-gan": {**CONV, "--objective": "vae-gan:slope=20"},
    "beta-tc-vae": {**CONV, "--objective": "betatc:beta=3"},
    "factor-vae": {**CONV, "--objective": f"factor:{CRITIC}"},
    "dip-vae": {**CONV, "--objective": "dip:kind=I"},
    "info-vae": {**CONV, "--objective": "wae:weight=50,rate=0.3", "--likelihood": "gaussian"},
    "swae": {**CONV, "--posterior": "dirac", "--objective": "swae"},
    "rae": {**CONV, "--posterior": "dirac", "--objective": "rae:penalty=l2"},
    "logistic": {**CONV, "--latent-dim": "2", "--likelihood": "logistic:mixtures=2"},
    "m2": {
        "--preset": "m2",
        "--labels": "20",
        "--network": "mlp:width=2,depth=1,activation=silu,norm=batch",
    },
}

RUNS["interrupted"] = RUNS["aae-swiss-roll"] | {"--epochs": "3", "--max-time": "1h"}
STOP_AFTER = {"interrupted": 45}  # batches: 2 epochs of 20, and 5 of the third


def options(name: str) -> list[str]:
    """The options of `vaecli train` for this run."""
    chosen = COMMON | RUNS[name]
    return [word for pair in chosen.items() for word in pair if word]


def run_command(*arguments: str) -> str:
    """What the command line prints on stdout.

    Raises:
        SystemExit: The command failed.
    """
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stdout(out):
        status = command(*arguments)
    if status:
        sys.exit(f"vaecli {' '.join(arguments)} ended with status {status}")
    out.flush()
    return out.buffer.getvalue().decode()


@contextmanager
def anonymous() -> Iterator[None]:
    """Let this computer be called localhost."""
    node = platform.node
    platform.node = lambda: "localhost"
    try:
        yield
    finally:
        platform.node = node


@contextmanager
def out_of_time(batches: int | None) -> Iterator[None]:
    """Let the time of --max-time be over when so many batches are done; None for never."""
    from vaecli.commands.stopping import Stopping

    from vaecli import training

    fit = training.fit
    is_due = Stopping.is_due
    done = 0

    def counted(*arguments: Any) -> Iterator[Any]:
        nonlocal done
        for event in fit(*arguments):
            done += isinstance(event, training.Step)
            yield event

    training.fit = counted
    Stopping.is_due = lambda *_: done == batches
    try:
        yield
    finally:
        training.fit = fit
        Stopping.is_due = is_due


def rows(run: Path) -> list[dict[str, str]]:
    """The rows of the losses.csv of a run."""
    with (run / "losses.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def resumed(run: Path) -> dict[str, str]:
    """The row of losses.csv of one more epoch, which is trained on a copy of the run."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(run, f"{folder}/run"))
        run_command("train", "-q", "--resume", str(copy), "--epochs", "3")
        return rows(copy)[-1]


def first_images() -> vaecli.Images:
    """The test images that are reconstructed."""
    return vaecli.load(vaecli.Config(test_images=4)).test


def reconstructions(run: Path, images: vaecli.Images) -> np.ndarray:
    """Pixel means decoded from the posterior means of the images; their shape."""
    model = vaecli.open(run).model()
    # Version 0.1 has it under another name.
    name = "one_hot_labels" if hasattr(type(images), "one_hot_labels") else "context"
    labels = getattr(images, name)(slice(None))
    means = model.reconstruct(images.pixels(slice(None)), labels)
    return means.numpy()


def make(name: str) -> None:
    """Train one run in the current folder, and write what is expected of it beside it."""
    run = Path("run")
    with out_of_time(STOP_AFTER.get(name)):
        run_command("train", "-q", *options(name), "--run-dir", "run")
    for picture in run.rglob("*.png"):
        picture.unlink()
    (run / "samples").rmdir()
    found: dict[str, Any] = {"evaluate": json.loads(run_command("evaluate", "-r", "run"))}
    if "loss" in found["evaluate"]:
        found["evaluate_samples"] = json.loads(run_command("evaluate", "-r", "run", *SAMPLES))
    found["resumed"] = resumed(run)
    Path("expected.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    means = reconstructions(run, first_images())
    np.savez_compressed("expected.npz", reconstructions=means)


def main() -> None:
    if vaecli.__version__ != RELEASE:
        sys.exit(f"This is vaecli {vaecli.__version__}: golden runs are made with {RELEASE}.")
    for name in sys.argv[1:] or RUNS:
        folder = GOLDEN / name
        folder.mkdir()
        with chdir(folder), anonymous():
            make(name)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{name}: {size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
