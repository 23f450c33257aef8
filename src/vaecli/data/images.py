"""Images in memory, or mapped from a file."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..system.errors import ConfigError
from ..system.machine import require_memory
from ..system.processes import Share
from ..system.renamed import Renamed
from ..system.seeds import stream_generator
from .blocks import ReadAhead, block_order
from .class_names import check_class_names, name_of
from .mapped import MappedPixels

COUNT = -1  # stands for the number of classes that the labels show
BINARIZED_AT_A_TIME = 1000  # images: a float takes four times the memory of a pixel
SUMMED_AT_A_TIME = 1024  # images


def count_classes(labels: Tensor) -> int:
    """The highest of the labels, shape `(N,)`, plus one; 0 if there are no labels."""
    return int(labels.max()) + 1 if len(labels) else 0


@dataclass(frozen=True)
class Images:
    """The images and labels of one split.

    Attributes:
        x: Pixels as unsigned bytes, shape `(N, C, H, W)`.
        labels: Classes from 0, shape `(N,)`; a hidden label has the value `classes`.
        classes: Number of classes; by default the highest label plus one. 0 for images without
            labels, whose labels are all hidden.
        binarize: How grey pixels become 0 or 1: "none" keeps them grey; "dynamic" samples each
            pixel at every read, with its brightness as the probability of 1, unless `fix_pixels`
            was called; "threshold" makes it 1 if its brightness is above 0.5; "fixed" is how
            `fix_pixels` fixes images that do not fit in memory.
        class_names: Names of the classes; empty if they have none but their numbers.
        mapped: What x is a part of, if the pixels are mapped from a file; None in memory.
        pixel_seed: Seed of fixed pixels.
        positions: What fixed pixels depend on besides it, shape `(N,)`.

    Raises:
        DataError: The class names are too many, too few, too long, or not distinct.
    """

    x: Tensor
    labels: Tensor
    classes: int = COUNT
    binarize: str = "none"
    class_names: tuple[str, ...] = ()
    mapped: MappedPixels | None = None
    pixel_seed: int = 0
    positions: Tensor | None = None

    def __post_init__(self) -> None:
        if self.classes == COUNT:
            object.__setattr__(self, "classes", count_classes(self.labels))
        check_class_names(self.class_names, self.classes)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one image, `(C, H, W)`."""
        channels, height, width = self.x.shape[1:]
        return channels, height, width

    def pixels(self, index: Tensor | slice) -> Tensor:
        """The images at `index` as float32 in [0, 1], shape `(B, C, H, W)`.

        Dynamic binarization uses torch's global generator.
        """
        read = self.x[index]
        x = read.float().div_(255)
        if isinstance(index, slice):
            self._release(read)
        if self.binarize == "dynamic":
            return x.bernoulli()
        if self.positions is not None:
            return (self._draw(self.positions[index]) < x).float()
        if self.binarize == "threshold":
            return (x > 0.5).float()
        return x

    def shared_pixels(self, index: Tensor, share: Share) -> Tensor:
        """The rows of this process in the batch at `index`, float32 in [0, 1], `(rows, C, H, W)`.

        Under dynamic binarization every process draws the pixels of the whole batch.
        """
        if self.binarize == "dynamic":
            return self.pixels(index)[share.rows]
        return self.pixels(index[share.rows])

    def fix_pixels(self, seed: int) -> "Images":
        """The same images, with pixels that no longer change from one read to the next.

        Under dynamic binarization every pixel becomes black or white once, by a stream of its own:
        it depends on the seed and on the position of the image here, and on nothing else. Take
        parts of the images afterwards, so that an image keeps its pixels in each of them.

        Args:
            seed: Seed of the pixels.
        """
        if self.binarize != "dynamic":
            return self
        if self.mapped is not None:  # they would not fit in memory: drawn at every read
            positions = torch.arange(len(self))
            return replace(self, binarize="fixed", pixel_seed=seed, positions=positions)
        random = stream_generator(seed, "pixels")
        x = torch.empty_like(self.x)
        for part, grey in zip(
            x.split(BINARIZED_AT_A_TIME), self.x.split(BINARIZED_AT_A_TIME), strict=True
        ):
            drawn = torch.rand(grey.shape, generator=random).to(grey.device)
            part.copy_((drawn < grey.float().div_(255)).byte().mul_(255))
        return replace(self, x=x, binarize="none")

    def _draw(self, positions: Tensor) -> Tensor:
        """What the brightness of fixed pixels must exceed to be 1, shape `(B, C, H, W)`."""
        drawn = torch.empty(len(positions), *self.shape)
        for row, position in zip(drawn, positions.tolist(), strict=True):
            row.uniform_(generator=stream_generator(self.pixel_seed, "pixels", position))
        return drawn

    def _release(self, part: Tensor) -> None:
        """Say that a slice of x is not needed for now."""
        if self.mapped is not None:
            self.mapped.release(part)

    def order(self, generator: torch.Generator) -> Tensor:
        """A random order of the images for an epoch of training, shape `(N,)`, on the CPU.

        Images that are mapped from a file are read in blocks, see `block_order`.
        """
        if self.mapped is not None:
            return block_order(len(self), self.x.shape[1:], generator)
        return torch.randperm(len(self), generator=generator)

    def read_ahead(self, order: Tensor) -> ReadAhead:
        """Reads ahead of an epoch that uses the images in this order."""
        return ReadAhead(self.mapped, self.x, order)

    def one_hot_labels(self, index: Tensor | slice) -> Tensor:
        """The labels at `index`, shape `(B, classes)`; a hidden label is a row of zeros."""
        return one_hot(self.labels[index].long(), self.classes + 1)[:, :-1].float()

    @property
    def labelled_indices(self) -> Tensor:
        """The positions of the images whose label is not hidden, shape `(L,)`."""
        return (self.labels < self.classes).nonzero().squeeze(1)

    def hide_labels(self, keep: int, seed: int) -> "Images":
        """The same images with only `keep` labels, equally many per class; the rest are hidden.

        Args:
            keep: Number of labels to keep.
            seed: Seed of the choice.

        Raises:
            ConfigError: There are no labels, `keep` is not a multiple of the number of classes, or
                a class has too few images.
        """
        if not self.classes:
            raise ConfigError(f"labels={keep}: these images have no labels.")
        counts = torch.bincount(self.labels.long(), minlength=self.classes)
        rarest = int(counts.argmin())
        smallest = int(counts[rarest])
        largest_keep = smallest * self.classes
        per_class, rest = divmod(keep, self.classes)
        if rest or keep > largest_keep:
            few = ""
            if self.class_names:
                few = f": {name_of(rarest, self.class_names)} has only {smallest:,} images"
            raise ConfigError(
                f"labels={keep}: must be a multiple of {self.classes} (the number of classes), "
                f"at most {largest_keep:,}{few}."
            )
        labels = torch.full((len(self),), self.classes)  # int64: a byte cannot hold class 256
        order = torch.randperm(len(self), generator=stream_generator(seed, "labels"))
        for label in range(self.classes):
            labels[order[self.labels[order] == label][:per_class]] = label
        return replace(self, labels=labels)

    def first(self, count: int) -> "Images":
        """The first `count` images.

        Raises:
            ConfigError: There are fewer images.
        """
        self._require(count)
        return self.subset(slice(count))

    def _require(self, count: int) -> None:
        if count > len(self):
            raise ConfigError(f"count={count}: there are only {len(self):,} images.")

    def random_part(self, count: int, seed: int) -> "Images":
        """Some of the images, chosen at random without replacement, in the order they have here.

        A smaller part is contained in a larger one of the same seed.

        Args:
            count: Number of images.
            seed: Seed of the choice.

        Raises:
            ConfigError: There are fewer images.
        """
        self._require(count)
        order = torch.randperm(len(self), generator=stream_generator(seed, "part"))
        return self.subset(order[:count].sort().values.to(self.x.device))

    def subset(self, index: Tensor | slice) -> "Images":
        """The images at `index`; a slice of images that are mapped from a file is mapped too.

        Raises:
            ResourceError: They are mapped, and those at `index` do not fit in memory.
        """
        labels = self.labels[index]
        positions = self.positions
        if self.mapped is not None and isinstance(index, Tensor):
            return self._copy_to_memory(index, labels)
        if positions is not None:
            positions = positions[index]
        return replace(self, x=self.x[index], labels=labels, positions=positions)

    def _copy_to_memory(self, index: Tensor, labels: Tensor) -> "Images":
        """The images at `index`, which are mapped from a file; in memory unless they are all."""
        if torch.equal(index, torch.arange(len(self))):
            return self
        require_memory(len(index) * self.x[0].nbytes, f"A choice of {len(index):,} images")
        if self.positions is None:
            return replace(self, x=self.x[index], labels=labels, mapped=None)
        x = torch.empty(len(index), *self.shape, dtype=torch.uint8)
        for part, place in zip(
            x.split(BINARIZED_AT_A_TIME), index.split(BINARIZED_AT_A_TIME), strict=True
        ):
            part.copy_(self.pixels(place).mul_(255))
        return replace(self, x=x, labels=labels, mapped=None, binarize="none", positions=None)

    def mean(self) -> Tensor:
        """The mean image, in [0, 1], shape `(C, H, W)`."""
        total = torch.zeros(self.shape, dtype=torch.int64, device=self.x.device)
        for part in self.x.split(SUMMED_AT_A_TIME):
            total += part.sum(0, dtype=torch.int64)
            self._release(part)
        return total / (255 * len(self))

    def to(self, device: torch.device) -> "Images":
        """The same images on another device; those that are mapped from a file stay on the CPU."""
        if self.mapped is not None:
            return self
        return replace(self, x=self.x.to(device), labels=self.labels.to(device))

    def fingerprint(self) -> str:
        """The SHA-256 of shape, pixels and labels, in hexadecimal.

        Of images that are mapped from a file it is that of their digest and the labels.
        """
        tensors = [self.labels]
        if self.mapped is not None:
            digest = hashlib.sha256(self.mapped.digest(self.x).encode())
        else:
            digest = hashlib.sha256(repr(tuple(self.x.shape)).encode())
            tensors = [self.x, self.labels]
        for tensor in tensors:
            digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    # Names of version 0.1.
    at = Renamed("subset")
    context = Renamed("one_hot_labels")
    hide = Renamed("hide_labels")
    labelled = Renamed("labelled_indices")
