"""What a training epoch of the default recipe costs beyond its matrix products.

    python -m tests.benchmarks.epoch [--pairs 7] [--images 60000]

Three things are timed in turn, round after round, in one process, and compared within a round, so
that a machine which changes its speed does not matter:

    floor     the float32 matrix products of forward and backward pass, into preallocated outputs
    by hand   the same training written out without parts, distributions or a generator
    vaecli    `vaecli.fit`, the public generator
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

torch.set_flush_denormal(True)

import vaecli  # noqa: E402
from vaecli.optimizers import Adam  # noqa: E402
from vaecli.training import start  # noqa: E402

LAYERS = [(784, 400), (400, 400), (400, 40), (20, 400), (400, 400), (400, 784)]


def products(images: int, batch_size: int) -> Callable[[], None]:
    """The matrix products of one epoch: y = x W', dW = dy' x, and dx = dy W but for the images."""
    sizes = [batch_size] * (images // batch_size) + [images % batch_size] * (
        images % batch_size > 0
    )
    weights = [torch.randn(outputs, inputs) for inputs, outputs in LAYERS]
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


def by_hand(train: vaecli.Images, batch_size: int) -> Callable[[], None]:
    """The recipe without vaecli's parts, with vaecli's optimizer."""
    weights, biases = [], []
    for inputs, outputs in LAYERS:
        layer = torch.nn.Linear(inputs, outputs)
        weights.append(layer.weight)
        biases.append(layer.bias)
    optimizer = Adam([p for pair in zip(weights, biases, strict=True) for p in pair], 1e-3)

    def layer(i: int, h: Tensor) -> Tensor:
        return F.linear(h, weights[i], biases[i])

    def epoch() -> None:
        sums = torch.zeros(3)
        for index in torch.randperm(len(train)).split(batch_size):
            x = train.x[index].float().div_(255).flatten(1)
            mean, log_var = layer(2, layer(1, layer(0, x).relu()).relu()).chunk(2, dim=-1)
            z = mean + (log_var / 2).exp() * torch.randn_like(mean)
            logits = layer(5, layer(4, layer(3, z).relu()).relu())
            distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
            rate = 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum() / len(x)
            loss = distortion + rate
            loss.backward()
            optimizer.step()
            sums += torch.stack([loss.detach(), distortion.detach(), rate.detach()]) * len(x)

    return epoch


def through_vaecli(train: vaecli.Images, test: vaecli.Images) -> Callable[[], float]:
    """The public generator, an epoch at a call; returns the seconds of the training part."""
    config = vaecli.Config(epochs=1_000_000)
    events = vaecli.fit(start(config, train), train, test)

    def epoch() -> float:
        return next(e for e in events if isinstance(e, vaecli.Epoch)).train_seconds

    return epoch


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def report(name: str, ratios: list[float]) -> None:
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"{name:20} min {low:.2f}   median {middle:.2f}   max {high:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--images", type=int, default=60_000)
    options = parser.parse_args()
    train, test, _ = vaecli.load(vaecli.Config(train_images=options.images, test_images=100))
    floor = products(len(train), 128)
    hand = by_hand(train, 128)
    composed = through_vaecli(train, test)
    rounds = []
    for number in range(options.pairs + 1):
        now = seconds(floor), seconds(hand), composed()
        names = ("floor", "by hand", "vaecli")
        texts = [f"{name} {value:.2f} s" for name, value in zip(names, now, strict=True)]
        print(f"round {number}: {', '.join(texts)}", flush=True)
        rounds.append(now)
    rounds = rounds[1:]  # the first warms up
    report("vaecli / floor", [v / f for f, _, v in rounds])
    report("by hand / floor", [h / f for f, h, _ in rounds])
    report("vaecli / by hand", [v / h for _, h, v in rounds])


if __name__ == "__main__":
    main()
