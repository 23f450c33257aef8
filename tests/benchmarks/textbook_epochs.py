"""Epochs of the loop of most tutorials, one for every line of stdin: run by `speed`.

python textbook_epochs.py LAYERS IMAGES BATCH_SIZE

Says when it is ready, and answers with the seconds of an epoch and the test loss in nats.

As they do, it transforms each image anew, lets a sigmoid end the decoder, takes torch.optim.Adam
as it comes, reads the loss after every batch, and leaves denormal numbers as they are.
"""

import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from vaecli.data.readers import idx
from vaecli.data.readers.named import BUNDLED_MNIST


class Pictures(Dataset[tuple[Tensor, int]]):
    """The first MNIST images, as torchvision's class of them gives them."""

    def __init__(self, split: str, images: int) -> None:
        pixels, labels = idx.read_split(BUNDLED_MNIST, split)
        self.pixels, self.labels, self.transform = pixels[:images], labels[:images], ToTensor()

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.pixels[index].numpy())
        return self.transform(picture), int(self.labels[index])


class VAE(nn.Module):
    """784-400-20 with so many hidden layers in encoder and decoder."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        more = [m for _ in range(layers - 1) for m in (nn.Linear(400, 400), nn.ReLU())]
        again = [m for _ in range(layers - 1) for m in (nn.Linear(400, 400), nn.ReLU())]
        self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), *more)
        self.mean, self.log_var = nn.Linear(400, 20), nn.Linear(400, 20)
        decoder = [nn.Linear(20, 400), nn.ReLU(), *again, nn.Linear(400, 784), nn.Sigmoid()]
        self.decoder = nn.Sequential(*decoder)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.encoder(x)
        mean, log_var = self.mean(h), self.log_var(h)
        std = torch.exp(0.5 * log_var)
        return self.decoder(mean + std * torch.randn_like(std)), mean, log_var


def loss_of(model: VAE, x: Tensor) -> Tensor:
    """Distortion and rate, summed over images x."""
    x = x.view(-1, 784)
    decoded, mean, log_var = model(x)
    distortion = F.binary_cross_entropy(decoded, x, reduction="sum")
    rate = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
    return distortion + rate


layers, images, batch_size = map(int, sys.argv[1:])
model = VAE(layers)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = DataLoader(Pictures("train", images), batch_size=batch_size, shuffle=True)
test = torch.stack([x for x, _ in Pictures("test", 10_000)])  # type: ignore[misc, attr-defined]
print("ready", flush=True)
for _ in sys.stdin:
    began, total = time.perf_counter(), 0.0
    for x, _label in loader:
        optimizer.zero_grad()
        loss = loss_of(model, x)
        loss.backward()
        optimizer.step()
        total += loss.item()
    seconds = time.perf_counter() - began
    with torch.no_grad():
        print(seconds, loss_of(model, test).item() / len(test), flush=True)
