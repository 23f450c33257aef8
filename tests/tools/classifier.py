"""Trains the classifier of MNIST with which `vaecli evaluate --metrics samples` judges samples.

    python -m tests.tools.classifier PATH [--epochs 4]

Trains on the bundled images from a fixed seed (half a minute on one core), prints its accuracy on
the test images, at least 98.5 %, and saves its weights at PATH. The weights that ship with vaecli,
`src/vaecli/evaluation/networks/mnist-cnn-128.safetensors`, were made with the defaults.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

torch.set_flush_denormal(True)

import vaecli  # noqa: E402
from vaecli.evaluation.features import make_network, read_features  # noqa: E402

LR = 2e-3  # at the start; it falls to zero in a straight line


def batches(images: vaecli.Images, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels and labels in random order."""
    for index in torch.randperm(len(images)).split(size):
        yield images.pixels(index), images.labels[index].long()


def train(epochs: int, images: vaecli.Images) -> nn.Sequential:
    """A classifier of these images, the same for the same machine."""
    torch.manual_seed(0)
    model, size = make_network(), 128
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


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a classifier of MNIST.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    train_images, test_images, _ = vaecli.load(vaecli.Config())
    model = train(options.epochs, train_images)
    guess = read_features(model, test_images.pixels(slice(None))).probabilities.argmax(-1)
    accuracy = (guess == test_images.labels).float().mean().item()
    save_file(model.state_dict(), options.path)
    print(f"{options.path}: {accuracy:.2%} of the test images are classified correctly.")


if __name__ == "__main__":
    main()
