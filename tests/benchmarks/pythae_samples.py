"""Samples of pythae's models and samplers, judged beside those of a vaecli run.

    python -m tests.benchmarks.pythae_samples OUT [--models NAME ...] [--samplers NAME ...]
        [--epochs 100] [--lr 1e-4] [--batch-size 64] [--flow-epochs 100]

Run by the Python of an environment with pythae. Trains its models on the training images of MNIST
and fits its samplers to them, all at its default settings but for the latent dimensions, which are
those of the preset it is compared with. Its own example for MNIST has `--epochs 50 --lr 1e-3
--batch-size 200`. Writes

    OUT/MODEL-SAMPLER.npy   10,000 samples, uint8, shape `(N, 1, 28, 28)`
    OUT/seconds.csv         wall-clock and processor seconds of each training and fit, and threads
    OUT/models/MODEL        the model, which a later call finds, to fit more samplers to it

    python -m tests.benchmarks.pythae_samples --judge OUT [--run RUN ...]

Run by the Python of vaecli. Judges every file of OUT, as many samples of each RUN, and as many
random training images by the classifier of `vaecli evaluate --metrics samples`, and prints and
writes to OUT/judged.csv, for each:

    training, fit     processor seconds of the training, and of the fit of the sampler
    clear             percentage that the classifier gives over 0.9 to one digit
    rarest            percentage of the rarest digit among these
    FD                Frechet distance to the test images in the 128 features before the last layer
    precision, recall, coverage
                      of 5,000 samples and 5,000 test images, in the same features, k = 5
    ratio             FD over the lowest of pythae's
"""

import argparse
import csv
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
import vaecli
from tests.benchmarks import write_csv
from vaecli.evaluation import features, sample_metrics
from vaecli.evaluation.decoding import sample_images

# class and configuration in pythae.models, and what differs from the defaults
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "vae": ("VAE", "VAEConfig", {}),
    "vae-bce": ("VAE", "VAEConfig", {"reconstruction_loss": "bce"}),
    "rae-l2": ("RAE_L2", "RAE_L2_Config", {}),
    "rae-gp": ("RAE_GP", "RAE_GP_Config", {}),
}
# class in pythae.samplers, whose configuration is NAMEConfig, and what differs from the defaults
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "normal": ("NormalSampler", {}),
    "mixture": ("GaussianMixtureSampler", {}),
    "mixture50": ("GaussianMixtureSampler", {"n_components": 50}),
    "mixture200": ("GaussianMixtureSampler", {"n_components": 200}),
    "mixture400": ("GaussianMixtureSampler", {"n_components": 400}),
    "maf": ("MAFSampler", {}),
    "iaf": ("IAFSampler", {}),
    "twostage": ("TwoStageVAESampler", {}),
}
TRAINED = {"maf", "iaf", "twostage"}  # samplers that are networks
EPOCHS, LR, BATCH_SIZE = 100, 1e-4, 64  # pythae's defaults
LATENT_DIM = 16
SAMPLES, NEIGHBOURHOODS = 10_000, 5000
SECONDS = "seconds.csv"
SEED = 0


def train(name: str, folder: Path, images: Tensor, options: argparse.Namespace) -> None:
    """Train a model of pythae by its pipeline, which leaves it in the folder."""
    models, trainers = import_module("pythae.models"), import_module("pythae.trainers")
    kind, config, changes = MODELS[name]
    size = {"input_dim": tuple(images.shape[1:]), "latent_dim": LATENT_DIM}
    model = getattr(models, kind)(getattr(models, config)(**size, **changes))
    settings = {
        "output_dir": str(folder),
        "num_epochs": options.epochs,
        "per_device_train_batch_size": options.batch_size,
    }
    if kind == "RAE_L2":
        rates = {"encoder_learning_rate": options.lr, "decoder_learning_rate": options.lr}
        training = trainers.CoupledOptimizerTrainerConfig(**settings, **rates)
    else:
        training = trainers.BaseTrainerConfig(**settings, learning_rate=options.lr)
    import_module("pythae.pipelines").TrainingPipeline(model, training)(images)


def fitted(name: str, model: nn.Module, folder: Path, images: Tensor, epochs: int) -> Any:
    """A sampler of pythae, fitted to the latents of the images."""
    samplers, trainers = import_module("pythae.samplers"), import_module("pythae.trainers")
    kind, options = SAMPLERS[name]
    sampler = getattr(samplers, kind)(model, getattr(samplers, f"{kind}Config")(**options))
    if name in TRAINED:
        settings = trainers.BaseTrainerConfig(output_dir=str(folder), num_epochs=epochs)
        sampler.fit(images, training_config=settings)
    elif name != "normal":
        sampler.fit(images)
    return sampler


@contextmanager
def stopwatch(path: Path, name: str, epochs: int) -> Iterator[None]:
    """Seed what follows, and add a line to the file of seconds when it is done."""
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    wall, processor = time.perf_counter(), time.process_time()
    yield
    spent = time.perf_counter() - wall, time.process_time() - processor
    row = [name, epochs, *(f"{s:.1f}" for s in spent), torch.get_num_threads()]
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["name", "epochs", "wall", "processor", "threads"])
        writer.writerow(row)
    print(*row, flush=True)


def make_samples(options: argparse.Namespace) -> None:
    """Train what is not trained yet, and write the samples of every model and sampler."""
    load = import_module("pythae.models").AutoModel.load_from_folder
    logging.disable(logging.INFO)
    images = vaecli.load(vaecli.Config())[0].pixels(slice(None))
    out: Path = options.out
    for name in options.models:
        folder = out / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        if not list(folder.glob("*/final_model")):
            with stopwatch(out / SECONDS, name, options.epochs):
                train(name, folder, images, options)
        (final,) = folder.glob("*/final_model")
        for which in options.samplers:
            if which == "twostage" and not name.startswith("vae"):
                continue  # pythae has it for VAEs only
            epochs = options.flow_epochs if which in TRAINED else 0
            with stopwatch(out / SECONDS, f"{name}-{which}", epochs):
                sampler = fitted(which, load(str(final)), out / "flows", images, epochs)
            samples = to_bytes(sampler.sample(SAMPLES))
            np.save(out / f"{name}-{which}.npy", samples.numpy())


def to_bytes(pixels: Tensor) -> Tensor:
    """Pixels as an image file has them."""
    return (pixels * 255).round().to(torch.uint8)


def some(x: Tensor, seed: int) -> Tensor:
    """A random part: the second half of the test images is unlike the first."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return x[order[:NEIGHBOURHOODS]]


def scores(images: features.Features, test: features.Features) -> dict[str, float]:
    """How good images are, whose features these are."""
    confidence, digit = images.probabilities.max(-1)
    clear = confidence > sample_metrics.CLEAR
    counts = digit[clear].bincount(minlength=10)
    once = torch.ones(1, len(images.values), dtype=torch.float64)
    terms = sample_metrics.neighbourhoods(some(images.values, 1), some(test.values, 2))
    return {
        "clear": 100 * clear.double().mean().item(),
        "rarest": 100 * (counts.min() / counts.sum()).item(),
        "FD": sample_metrics.frechet_distances(images.values, test.values, once).item(),
        "precision": terms.precision.double().mean().item(),
        "recall": terms.recall.double().mean().item(),
        "coverage": terms.coverage.double().mean().item(),
    }


def samples_of(run: Path) -> Tensor:
    """Samples of a run, as `vaecli sample` makes them."""
    found = vaecli.open(run)
    return to_bytes(sample_images(found.model(), found.config, SAMPLES)[0])


def judge(folder: Path, runs: list[Path]) -> None:
    """Print and write a row for everything that is judged."""
    files = sorted(folder.glob("*.npy"))
    if not files:
        raise SystemExit(f"{folder} has no samples: make them first.")
    train, test, _ = vaecli.load(vaecli.Config())
    network = features.load_network(features.feature_space(vaecli.Config()))
    real = features.read_features(network, test.pixels(slice(None)))

    def judged(pixels: Tensor) -> dict[str, float]:
        return scores(features.read_features(network, pixels.float() / 255), real)

    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(SEED))[:SAMPLES]
    rows = {"training images": judged(to_bytes(train.pixels(chosen)))}
    rows |= {file.stem: judged(torch.from_numpy(np.load(file))) for file in files}
    best = min(rows[file.stem]["FD"] for file in files)
    rows |= {str(run): judged(samples_of(run)) for run in runs}
    spent: dict[str, str] = {}
    if (folder / SECONDS).exists():
        with (folder / SECONDS).open(newline="") as file:
            spent = {row["name"]: row["processor"] for row in csv.DictReader(file)}
    table = [
        {"name": name, "training": spent.get(name.rpartition("-")[0], "")}
        | {"fit": spent.get(name, "")}
        | {what: f"{value:.3g}" for what, value in row.items()}
        | {"ratio": f"{row['FD'] / best:.2f}"}
        for name, row in rows.items()
    ]
    print("| " + " | ".join(table[0]) + " |\n" + "|-" * len(table[0]) + "|")
    for line in table:
        print("| " + " | ".join(line.values()) + " |")
    write_csv(folder / "judged.csv", table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["vae", "rae-l2"])
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=[*SAMPLERS])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--lr", type=float, default=LR)
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    parser.add_argument("--flow-epochs", type=int, default=EPOCHS)
    parser.add_argument("--judge", type=Path, metavar="OUT")
    parser.add_argument("--run", type=Path, nargs="+", default=[])
    options = parser.parse_args()
    if options.judge:
        judge(options.judge, options.run)
    elif options.out:
        make_samples(options)
    else:
        parser.error("give OUT, or --judge OUT")


if __name__ == "__main__":
    main()
