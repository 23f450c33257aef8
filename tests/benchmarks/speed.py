"""What training costs beyond its matrix products, and what others' loops cost.

    python -m tests.benchmarks.speed [--pairs 7] [--images 60000] [--pythae PYTHON] [--out FILE.csv]

Contenders take turns, 20 batches each, until each has done an epoch: a round. Ratios are those of a
round, so that a machine which changes its speed does not matter. (What runs in a process of its own
trains its epoch after them.) All train the same network on the same images:

    floor      the float32 matrix products of forward and backward pass, into preallocated outputs
    by hand    the loop written out, without parts, distributions or a generator
    composed   the same loop around vaecli's model and objective: what their composition costs
    vaecli     `vaecli.fit`, the public generator, which also names its noise and looks for NaN
    compiled   the same with --compile, where there is a compiler
    evaluation of the test images, 10,000 for 60,000 of training
    textbook   the loop of most tutorials, in a process of its own
    pythae     its VAE and BaseTrainer, by the Python of an environment that has it; one layer only

Networks are the default (two hidden layers) and 784-400-20 (one), batches hold 128 and 512 images.
Then, for the default: `vaecli train --epochs 10` less the time to import torch, against ten epochs
of the floor; and the importance-weighted likelihood, against the products of its decoder. Prints a
table of ratios to the floor, and writes it as CSV.
"""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

torch.set_flush_denormal(True)

import vaecli  # noqa: E402
from tests.benchmarks import write_csv  # noqa: E402
from vaecli.evaluation.bounds import evaluate, log_likelihood  # noqa: E402
from vaecli.objectives.importance import MAX_DECODED_LATENTS  # noqa: E402
from vaecli.parts.optimizers import Adam  # noqa: E402
from vaecli.system.devices import can_compile  # noqa: E402
from vaecli.training.runtime import keep_freed_memory  # noqa: E402
from vaecli.training.state import State  # noqa: E402

Sizes = list[tuple[int, int]]
NETWORKS: dict[str, Sizes] = {
    "two layers": [(784, 400), (400, 400), (400, 40), (20, 400), (400, 400), (400, 784)],
    "one layer": [(784, 400), (400, 40), (20, 400), (400, 784)],
}
TURN = 20  # batches
SAMPLES = 5000  # of the importance-weighted likelihood, for each image


def floor(layers: Sizes, batch_size: int) -> Iterator[None]:
    """The matrix products of a step: y = x W', dW = dy' x, and dx = dy W but for the images."""
    weights = [torch.randn(outputs, inputs) for inputs, outputs in layers]
    inputs = [torch.randn(batch_size, w.shape[1]) for w in weights]
    outputs = [torch.randn(batch_size, w.shape[0]) for w in weights]
    gradients = [torch.empty_like(w) for w in weights]
    while True:
        for x, w, y in zip(inputs, weights, outputs, strict=True):
            torch.mm(x, w.T, out=y)
        for i in reversed(range(len(weights))):
            torch.mm(outputs[i].T, inputs[i], out=gradients[i])
            if i:
                torch.mm(outputs[i], weights[i], out=inputs[i])
        yield


class Plain:
    """The network as plain functions, for the loops that are written out."""

    def __init__(self, layers: Sizes) -> None:
        modules = [torch.nn.Linear(*sizes) for sizes in layers]
        self.weights = [(m.weight, m.bias) for m in modules]
        self.half = len(layers) // 2

    def parameters(self) -> list[torch.nn.Parameter]:
        return [p for pair in self.weights for p in pair]

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of images x, and the sums of loss, distortion and rate over them."""
        h = x = x.flatten(1)
        for weight, bias in self.weights[: self.half - 1]:
            h = F.linear(h, weight, bias).relu()
        mean, log_var = F.linear(h, *self.weights[self.half - 1]).chunk(2, dim=-1)
        h = mean + (log_var / 2).exp() * torch.randn_like(mean)
        for weight, bias in self.weights[self.half : -1]:
            h = F.linear(h, weight, bias).relu()
        logits = F.linear(h, *self.weights[-1])
        distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        rate = 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum()
        total = distortion + rate
        return total / len(x), torch.stack([total, distortion, rate]).detach()


class Composed:
    """The same of vaecli's parts."""

    def __init__(self, config: vaecli.Config, train: vaecli.Images) -> None:
        self.state = vaecli.start(config, train)
        self.parameters = self.state.model.parameters

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        terms = self.state.objective(self.state.model, x)
        return terms.loss, torch.stack(tuple(terms.metrics.values())) * len(x)


def written_out(model: Plain | Composed, train: vaecli.Images, batch_size: int) -> Iterator[None]:
    """The recipe in a loop of its own, with vaecli's optimizer."""
    optimizer = Adam(model.parameters(), 1e-3)
    while True:
        sums = torch.zeros(3)
        for index in torch.randperm(len(train)).split(batch_size):
            loss, terms = model(train.x[index].float().div_(255))
            loss.backward()
            optimizer.step()
            sums += terms
            yield


def through_vaecli(state: State, train: vaecli.Images) -> Iterator[None]:
    """The public generator, a batch at a time; between epochs it evaluates one image only."""
    for event in vaecli.fit(state, train, train.first(1)):
        if isinstance(event, vaecli.Step):
            yield


class Other:
    """A process that trains an epoch for every line it is sent."""

    def __init__(self, python: str, script: str, *arguments: int) -> None:
        command = [python, str(Path(__file__).with_name(script)), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout
        self.process.stdout.readline()  # it is ready: nobody trains beside its imports

    def __call__(self) -> tuple[float, float]:
        """Seconds of an epoch, and the loss on the test images after it."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        seconds, loss = map(float, self.process.stdout.readline().split())
        return seconds, loss


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def loops(
    name: str, batch_size: int, pairs: int, images: int, pythae: str | None
) -> list[dict[str, float]]:
    """The seconds of each contender in every round but the first, which warms up."""
    layers, depth = NETWORKS[name], len(NETWORKS[name]) // 2 - 1
    train, test, _ = vaecli.load(vaecli.Config(train_images=images, test_images=images // 6))
    network = f"mlp:depth={depth}"
    config = vaecli.Config(epochs=1_000_000, batch_size=batch_size, network=network)
    state = vaecli.start(config, train)
    turns = {
        "floor": floor(layers, batch_size),
        "by hand": written_out(Plain(layers), train, batch_size),
        "composed": written_out(Composed(config, train), train, batch_size),
        "vaecli": through_vaecli(state, train),
    }
    if can_compile():
        compiled = vaecli.start(replace(config, compile=True), train)
        turns["compiled"] = through_vaecli(compiled, train)
    others = {"textbook": Other(sys.executable, "textbook_epochs.py", depth, images, batch_size)}
    if pythae and depth == 1:
        others["pythae"] = Other(pythae, "pythae_epochs.py", depth, images, batch_size)
    rounds, steps = [], math.ceil(images / batch_size)
    for _ in range(pairs + 1):
        now = dict.fromkeys(turns, 0.0)
        for _ in range(math.ceil(steps / TURN)):
            for who, turn in turns.items():
                now[who] += seconds(lambda turn=turn: [next(turn) for _ in range(TURN)])
        now = {who: spent * steps / TURN / math.ceil(steps / TURN) for who, spent in now.items()}
        now["evaluation"] = seconds(lambda: evaluate(state.model, state.objective, test, seed=0))
        rounds.append(now | {who: run()[0] for who, run in others.items()})
        print(
            f"{name}, {batch_size}:", *(f"{w} {s:.2f}" for w, s in rounds[-1].items()), flush=True
        )
    for other in others.values():
        other.process.kill()
    return rounds[1:]


def likelihoods(pairs: int, images: int = 40) -> list[dict[str, float]]:
    """The estimate of log p(x), against the matrix products of its decoder."""
    train, test, _ = vaecli.load(vaecli.Config(train_images=1, test_images=images))
    model = vaecli.start(vaecli.Config(), train).model
    weights = [torch.randn(outputs, inputs) for inputs, outputs in NETWORKS["two layers"][3:]]
    rows = [torch.randn(MAX_DECODED_LATENTS, w.shape[1]) for w in weights]
    outputs = [torch.empty(MAX_DECODED_LATENTS, len(w)) for w in weights]

    def products() -> None:
        for _ in range(images * SAMPLES // MAX_DECODED_LATENTS):
            for x, w, y in zip(rows, weights, outputs, strict=True):
                torch.mm(x, w.T, out=y)

    rounds = []
    for _ in range(pairs + 1):
        estimate = seconds(lambda: log_likelihood(model, test, SAMPLES, seed=0))
        rounds.append({"floor": seconds(products), "likelihood": estimate})
    return rounds[1:]


def run_for(command: list[str]) -> float:
    """The seconds that a process takes."""
    return seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))


def processes(pairs: int, images: int, epochs: int = 10) -> list[dict[str, float]]:
    """Whole trainings, each between ten epochs of the floor and an import of torch."""
    products, rounds = floor(NETWORKS["two layers"], 128), []
    steps = epochs * math.ceil(images / 128)
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as folder:
            train = [sys.executable, "-m", "vaecli", "train", "-q", "--epochs", str(epochs)]
            train += ["--train-images", str(images), "--run-dir", f"{folder}/run"]
            ten = seconds(lambda: [next(products) for _ in range(steps)])
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
    parser.add_argument("--only", choices=["loops", "processes", "likelihoods"])
    parser.add_argument("--out", type=Path, default=Path("speed.csv"))
    options = parser.parse_args()
    keep_freed_memory()
    rows = []
    if options.only in (None, "loops"):
        for name in NETWORKS:
            for size in (128, 512):
                found = loops(name, size, options.pairs, options.images, options.pythae)
                rows += table(f"{name}, batch {size}", found)
    if options.only in (None, "processes"):
        found = processes(max(options.pairs // 2, 1), options.images)
        rows += table("10 epochs, all in all", found)
    if options.only in (None, "likelihoods"):
        rows += table(f"{SAMPLES:,} samples an image", likelihoods(options.pairs))
    print(f"| {'over the floor':24} | {'':10} |  min | median |  max |")
    for row in rows:
        cells = f"{row['min']:>4} | {row['median']:>6} | {row['max']:>4}"
        print(f"| {row['what']:24} | {row['who']:10} | {cells} |")
    write_csv(options.out, rows)


if __name__ == "__main__":
    main()
