"""Images in memory, and where they come from."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..config import Config, lookup
from ..errors import ConfigError, DataError
from ..seeds import generator
from . import idx

EMBEDDED = Path(__file__).parent / "mnist"


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
        order = torch.randperm(len(self), generator=generator(seed, "labels"))
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


class Splits(NamedTuple):
    """The images of a configuration; those for validation, if any, are not in `train`."""

    train: Images
    test: Images
    validation: Images | None = None


def load(config: Config) -> Splits:
    """All images of a configuration.

    Raises:
        DataError: A file is missing or damaged, or the splits differ in image size.
        ConfigError: More images are asked for than there are.
    """
    train, test = _read(config, "train"), _read(config, "test")
    classes = max(train.classes, test.classes)  # either may lack the last ones
    train, test = replace(train, classes=classes), replace(test, classes=classes)
    train, validation = _hold_out(train, config.validation or 0)
    if config.labels:
        train = train.hide(config.labels, config.seed)
    if train.shape != test.shape:
        raise DataError(f"Training images have shape {train.shape}, test images {test.shape}.")
    return Splits(train, test, validation)


def load_split(config: Config, split: str) -> Images:
    """The `"train"`, `"test"` or `"validation"` images of a configuration."""
    if split == "test":
        return _read(config, split)
    train, validation = _hold_out(_read(config, "train"), config.validation or 0)
    if split == "train":
        return train
    if validation is None:
        raise ConfigError("The run was trained without --validation: it held out no images.")
    return validation


def _hold_out(images: Images, count: int) -> tuple[Images, Images | None]:
    """All but the last `count` images, and these."""
    if not count:
        return images, None
    if count >= len(images):
        raise ConfigError(
            f"--validation {count}: of {len(images):,} training images none would be left."
        )
    rest = len(images) - count
    return images.first(rest), images.at(slice(rest, None))


def _read(config: Config, split: str) -> Images:
    directory = None if config.data_dir is None else Path(config.data_dir)
    x, labels = lookup(READERS, config.data, "data set")(directory, split)
    images = Images(x.unsqueeze(1), labels, binarize=config.binarize)
    first = config.train_images if split == "train" else config.test_images
    return images if first is None else images.first(first)


def _mnist(directory: Path | None, split: str) -> tuple[Tensor, Tensor]:
    return idx.read_split(directory or EMBEDDED, split)


def _torchvision(kind: str, url: str, directory: Path | None, split: str) -> tuple[Tensor, Tensor]:
    """What torchvision has downloaded to `directory`; vaecli itself never downloads."""
    folder = (directory or Path()) / kind / "raw"
    get = f"torchvision.datasets.{kind}({str(directory or '.')!r}, download=True)"
    files = ", ".join(f"{part}-{what}.gz" for part in idx.NAMES.values() for what in idx.KINDS)
    advice = (
        f'Get it with: python -c "import torchvision; {get}" (it keeps what is in {folder}, so '
        f"remove damaged files first), or put there {files} from {url}"
    )
    if directory is None:
        raise ConfigError(f"{kind} needs --data-dir, the folder that holds it. {advice}")
    try:
        return idx.read_split(folder, split)
    except DataError as error:
        raise DataError(f"Cannot read {kind}: {error} {advice}") from error


READERS: dict[str, Callable[[Path | None, str], tuple[Tensor, Tensor]]] = {
    "mnist": _mnist,
    "fashion-mnist": partial(
        _torchvision, "FashionMNIST", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    ),
    "kmnist": partial(_torchvision, "KMNIST", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
}
