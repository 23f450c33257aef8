"""A small convolutional classifier of MNIST, to judge how legible samples are.

    python -m tests.tools.classifier PATH [--epochs 4]

Trains on the embedded images from a fixed seed (about a minute on one core), prints its accuracy
on the test images, at least 98.5 %, and keeps its weights at PATH. `load(PATH)` reads them back.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

torch.set_flush_denormal(True)

import vaecli  # noqa: E402

LR = 2e-3  # at the start; it falls to zero in a straight line


def network() -> nn.Sequential:
    """Images, shape `(N, 1, 28, 28)`, to the logits of ten digits, shape `(N, 10)`."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * 7 * 7, 128), nn.ReLU()),
        *(nn.Dropout(0.25), nn.Linear(128, 10)),
    )


def batches(images: vaecli.Images, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels and labels in random order."""
    for index in torch.randperm(len(images)).split(size):
        yield images.pixels(index), images.labels[index].long()


def train(epochs: int, images: vaecli.Images) -> nn.Sequential:
    """A classifier of these images, the same for the same machine."""
    torch.manual_seed(0)
    model, size = network(), 128
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    steps = epochs * -(-len(images) // size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1e-3, steps)
    for _ in range(epochs):
        for x, labels in batches(images, size):
            optimizer.zero_grad()
            cross_entropy(model(x), labels).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def as_function(model: nn.Sequential) -> Callable[[Tensor], Tensor]:
    """Images, shape `(N, 1, 28, 28)`, in [0, 1], to probabilities, shape `(N, 10)`."""

    @torch.no_grad()
    def probabilities(x: Tensor) -> Tensor:
        return torch.cat([model(part).softmax(-1) for part in x.split(1000)])

    return probabilities


def load(path: str | Path) -> Callable[[Tensor], Tensor]:
    """The classifier kept at `path`: images to probabilities, see `as_function`."""
    model = network()
    model.load_state_dict(load_file(path))
    return as_function(model.eval())


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a classifier of MNIST.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    train_images, test_images, _ = vaecli.load(vaecli.Config())
    model = train(options.epochs, train_images)
    guess = as_function(model)(test_images.pixels(slice(None))).argmax(-1)
    accuracy = (guess == test_images.labels).float().mean().item()
    save_file(model.state_dict(), options.path)
    print(f"{options.path}: {accuracy:.2%} of the test images are classified correctly.")


if __name__ == "__main__":
    main()
