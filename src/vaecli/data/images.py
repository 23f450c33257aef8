"""Images in memory."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..system.errors import ConfigError
from ..system.seeds import stream_generator


@dataclass(frozen=True)
class Images:
    """One split of a data set, whole in memory.

    Attributes:
        x: Pixels as unsigned bytes, shape `(N, C, H, W)`.
        labels: Classes from 0, shape `(N,)`; one that is hidden has the number `classes`.
        classes: How many there are; by default one more than the highest label here.
        binarize: How grey pixels become 0 or 1: not at all, at random by their brightness every
            time they are read (dynamic), or by whether they are brighter than half (threshold).
    """

    x: Tensor
    labels: Tensor
    classes: int = 0
    binarize: str = "none"

    def __post_init__(self) -> None:
        if not self.classes and len(self.labels):
            object.__setattr__(self, "classes", int(self.labels.max()) + 1)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(C, H, W)`."""
        channels, height, width = self.x.shape[1:]
        return channels, height, width

    def pixels(self, index: Tensor | slice) -> Tensor:
        """The images at `index` with pixels in [0, 1], shape `(B, C, H, W)`, float32.

        Dynamic binarization draws from torch's generator.
        """
        x = self.x[index].float().div_(255)
        if self.binarize == "none":
            return x
        return x.bernoulli() if self.binarize == "dynamic" else (x > 0.5).float()

    def context(self, index: Tensor | slice) -> Tensor:
        """The labels at `index`, one-hot, shape `(B, classes)`; zeros where they are hidden."""
        return one_hot(self.labels[index].long(), self.classes + 1)[:, :-1].float()

    @property
    def labelled(self) -> Tensor:
        """Where the images with a label that is not hidden are, shape `(labels,)`."""
        return (self.labels < self.classes).nonzero().squeeze(1)

    def hide(self, labels: int, seed: int) -> "Images":
        """The same with all labels but so many hidden, as many of each class left, by the seed.

        Raises:
            ConfigError: The classes do not share them evenly, or have fewer images.
        """
        each, rest = divmod(labels, max(self.classes, 1))
        n, most = self.classes, int(torch.bincount(self.labels.long()).min()) * self.classes
        if rest or labels > most:
            raise ConfigError(f"--labels {labels}: take a multiple of {n} classes, up to {most:,}.")
        left = torch.full((len(self),), self.classes)  # 256 does not fit into a byte
        order = torch.randperm(len(self), generator=stream_generator(seed, "labels"))
        for label in range(self.classes):
            left[order[self.labels[order] == label][:each]] = label
        return replace(self, labels=left)

    def first(self, n: int) -> "Images":
        """The first n of them.

        Raises:
            ConfigError: There are fewer.
        """
        if n > len(self):
            raise ConfigError(f"{n:,} images asked for, but the split has {len(self):,}.")
        return self.at(slice(n))

    def at(self, index: Tensor | slice) -> "Images":
        """Those at `index`."""
        return replace(self, x=self.x[index], labels=self.labels[index])

    def mean(self) -> Tensor:
        """The mean image, shape `(C, H, W)`, in [0, 1]."""
        return self.x.sum(0, dtype=torch.int64) / (255 * len(self))

    def to(self, device: torch.device) -> "Images":
        return replace(self, x=self.x.to(device), labels=self.labels.to(device))

    def fingerprint(self) -> str:
        """The SHA-256 of shape, pixels and labels: equal for equal data only."""
        digest = hashlib.sha256(repr(tuple(self.x.shape)).encode())
        for tensor in (self.x, self.labels):
            digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()
