"""What training costs beyond its matrix products, and what others' loops cost.

    python -m tests.benchmarks.speed [--pairs 7] [--images 60000] [--pythae PYTHON] [--out FILE.csv]

Each contender trains an epoch in turn, round after round, and is compared within the round, so that
a machine which changes its speed does not matter. All train the same network on the same images:

    floor      the float32 matrix products of forward and backward pass, into preallocated outputs
    by hand    the loop written out, without parts, distributions or a generator
    vaecli     `vaecli.fit`, the public generator: the training part of an epoch
    evaluated  the same, and the evaluation of 10,000 test images
    textbook   DataLoader, ToTensor for each image, torch.optim.Adam, .item() for each batch
    pythae     its VAE and BaseTrainer, by the Python of an environment that has it; one layer only

Networks are the default (two hidden layers) and 784-400-20 (one), batches hold 128 and 512 images.
Then, for the default, whole processes: `vaecli train --epochs 10` less the time to import torch,
against ten epochs of the floor. Prints a table of ratios to the floor, and writes it as CSV.
"""

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

torch.set_flush_denormal(True)

import vaecli  # noqa: E402
from vaecli.optimizers import Adam  # noqa: E402

Sizes = list[tuple[int, int]]
NETWORKS: dict[str, Sizes] = {
    "two layers": [(784, 400), (400, 400), (400, 40), (20, 400), (400, 400), (400, 784)],
    "one layer": [(784, 400), (400, 40), (20, 400), (400, 784)],
}
TEXTBOOK_PART = 10  # it is timed on this part of the images, as it takes that much longer


def batches(images: int, size: int) -> list[int]:
    """How many images each batch of an epoch holds."""
    return [size] * (images // size) + [images % size] * (images % size > 0)


def floor(layers: Sizes, images: int, batch_size: int) -> Callable[[], None]:
    """The matrix products of one epoch: y = x W', dW = dy' x, and dx = dy W but for the images."""
    sizes = batches(images, batch_size)
    weights = [torch.randn(outputs, inputs) for inputs, outputs in layers]
    inputs = {b: [torch.randn(b, w.shape[1]) for w in weights] for b in set(sizes)}
    outputs = {b: [torch.randn(b, w.shape[0]) for w in weights] for b in set(sizes)}
    gradients = [torch.empty_like(w) for w in weights]

    def epoch() -> None:
        for b in sizes:
            for x, w, y in zip(inputs[b], weights, outputs[b], strict=True):
                torch.mm(x, w.T, out=y)
            for i in reversed(range(len(weights))):
                torch.mm(outputs[b][i].T, inputs[b][i], out=gradients[i])
                if i:
                    torch.mm(outputs[b][i], weights[i], out=inputs[b][i])

    return epoch


class Plain:
    """The network as plain functions, for the loops that are written out."""

    def __init__(self, layers: Sizes) -> None:
        modules = [torch.nn.Linear(*sizes) for sizes in layers]
        self.weights = [(m.weight, m.bias) for m in modules]
        self.half = len(layers) // 2

    def parameters(self) -> list[torch.nn.Parameter]:
        return [p for pair in self.weights for p in pair]

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Distortion and rate in nats, summed over images x, shape `(B, 784)`."""
        h = x
        for weight, bias in self.weights[: self.half - 1]:
            h = F.linear(h, weight, bias).relu()
        mean, log_var = F.linear(h, *self.weights[self.half - 1]).chunk(2, dim=-1)
        h = mean + (log_var / 2).exp() * torch.randn_like(mean)
        for weight, bias in self.weights[self.half : -1]:
            h = F.linear(h, weight, bias).relu()
        logits = F.linear(h, *self.weights[-1])
        distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return distortion, 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum()


def by_hand(layers: Sizes, train: vaecli.Images, batch_size: int) -> Callable[[], None]:
    """The recipe without vaecli's parts, with vaecli's optimizer."""
    model = Plain(layers)
    optimizer = Adam(model.parameters(), 1e-3)

    def epoch() -> None:
        sums = torch.zeros(3)
        for index in torch.randperm(len(train)).split(batch_size):
            x = train.x[index].float().div_(255).flatten(1)
            distortion, rate = model.terms(x)
            loss = (distortion + rate) / len(x)
            loss.backward()
            optimizer.step()
            sums += torch.stack([distortion + rate, distortion, rate]).detach()

    return epoch


def textbook(layers: Sizes, train: vaecli.Images, batch_size: int) -> Callable[[], None]:
    """The loop of most tutorials, on the first of the images."""
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision.transforms import ToTensor

    class Pictures(Dataset):  # type: ignore[type-arg]
        def __init__(self) -> None:
            self.x, self.transform = train.x[: len(train) // TEXTBOOK_PART], ToTensor()

        def __len__(self) -> int:
            return len(self.x)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            picture = Image.fromarray(self.x[index, 0].numpy(), mode="L")
            return self.transform(picture), int(train.labels[index])

    model = Plain(layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(Pictures(), batch_size=batch_size, shuffle=True)

    def epoch() -> None:
        total = 0.0
        for x, _ in loader:
            optimizer.zero_grad()
            distortion, rate = model.terms(x.flatten(1))
            loss = distortion + rate
            loss.backward()
            optimizer.step()
            total += loss.item()

    return epoch


def through_vaecli(
    network: str, batch_size: int, train: vaecli.Images, test: vaecli.Images
) -> Callable[[], tuple[float, float]]:
    """The public generator, an epoch at a call: its seconds of training, and in all."""
    config = vaecli.Config(epochs=1_000_000, batch_size=batch_size, network=network)
    events = vaecli.fit(vaecli.start(config, train), train, test)

    def epoch() -> tuple[float, float]:
        done = next(e for e in events if isinstance(e, vaecli.Epoch))
        return done.train_seconds, done.train_seconds + done.test_seconds

    return epoch


class Pythae:
    """A process of another environment that trains an epoch for every line it is sent."""

    def __init__(self, python: str, images: int, batch_size: int) -> None:
        script = Path(__file__).with_name("pythae_epochs.py")
        command = [python, str(script), str(images), str(batch_size)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self) -> float:
        """Seconds of one epoch."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def loops(
    name: str, batch_size: int, pairs: int, images: int, pythae: str | None
) -> list[dict[str, float]]:
    """The seconds of each contender in every round but the first, which warms up."""
    layers, depth = NETWORKS[name], len(NETWORKS[name]) // 2 - 1
    train, test, _ = vaecli.load(vaecli.Config(train_images=images))
    contenders: dict[str, Callable[[], object]] = {
        "floor": floor(layers, images, batch_size),
        "by hand": by_hand(layers, train, batch_size),
        "textbook": textbook(layers, train, batch_size),
    }
    ours = through_vaecli(f"mlp:depth={depth}", batch_size, train, test)
    theirs = Pythae(pythae, images, batch_size) if pythae and depth == 1 else None
    rounds = []
    for _ in range(pairs + 1):
        now = {who: seconds(run) for who, run in contenders.items()}
        now["textbook"] *= TEXTBOOK_PART
        now["vaecli"], now["evaluated"] = ours()
        if theirs:
            now["pythae"] = theirs()
        rounds.append(now)
        print(f"{name}, {batch_size}:", *(f"{who} {s:.2f}" for who, s in now.items()), flush=True)
    if theirs:
        theirs.process.kill()
    return rounds[1:]


def run_for(command: list[str]) -> float:
    """The seconds that a process takes."""
    return seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))


def processes(pairs: int, images: int, epochs: int = 10) -> list[dict[str, float]]:
    """Whole trainings, each between ten epochs of the floor and an import of torch."""
    products, rounds = floor(NETWORKS["two layers"], images, 128), []
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as folder:
            train = [sys.executable, "-m", "vaecli", "train", "-q", "--epochs", str(epochs)]
            train += ["--train-images", str(images), "--run-dir", f"{folder}/run"]
            ten = seconds(lambda: [products() for _ in range(epochs)])
            torch_alone = run_for([sys.executable, "-c", "import torch"])
            process = run_for(train)
        print(
            f"processes: floor {ten:.1f} torch {torch_alone:.1f} vaecli {process:.1f}", flush=True
        )
        rounds.append({"floor": ten, "process": process - torch_alone})
    return rounds


def table(what: str, rounds: list[dict[str, float]]) -> list[dict[str, str]]:
    """A row for each contender: its seconds over those of the floor of the same round."""
    rows = []
    for who in rounds[0]:
        if who != "floor":
            ratios = [now[who] / now["floor"] for now in rounds]
            low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
            numbers = {"min": low, "median": middle, "max": high}
            rows.append({"what": what, "who": who} | {n: f"{v:.2f}" for n, v in numbers.items()})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--pythae", help="the Python of an environment with pythae")
    parser.add_argument("--only", choices=["loops", "processes"])
    parser.add_argument("--out", type=Path, default=Path("speed.csv"))
    options = parser.parse_args()
    rows = []
    if options.only != "processes":
        for name in NETWORKS:
            for size in (128, 512):
                found = loops(name, size, options.pairs, options.images, options.pythae)
                rows += table(f"{name}, batch {size}", found)
    if options.only != "loops":
        rows += table(
            "10 epochs, all in all", processes(max(options.pairs // 2, 1), options.images)
        )
    print(f"| {'over the floor':24} | {'':10} |  min | median |  max |")
    for row in rows:
        cells = f"{row['min']:>4} | {row['median']:>6} | {row['max']:>4}"
        print(f"| {row['what']:24} | {row['who']:10} | {cells} |")
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
