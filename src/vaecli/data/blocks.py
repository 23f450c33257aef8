"""The order in which training reads images from a file that may be larger than memory.

It goes through the file in blocks of neighbouring images, which are read in one go. Every batch
mixes images of many blocks, and every epoch takes the blocks in another order.
"""

import math

import torch
from torch import Tensor

from .mapped import MappedPixels

BLOCK_SIZE = 2**20  # bytes: much smaller reads are slower
MIXED_SIZE = 2**28  # bytes of images that are mixed at a time; with them grows the memory in use
AHEAD_SIZE = 2**25  # bytes that are asked for before they are needed


def images_in(size: int, image: torch.Size) -> int:
    """How many images of shape `(C, H, W)` fit into `size` bytes; at least one."""
    return max(1, size // math.prod(image))


def block_order(count: int, image: torch.Size, generator: torch.Generator) -> Tensor:
    """A random order of images that reads a file nearly in sequence, shape `(count,)`.

    The blocks come in random order, and every image waits for a random time after its block, in
    which at most `MIXED_SIZE` bytes of other images are read. So a batch is drawn from all blocks
    within that distance: 256, or fewer in the first and last batches of an epoch (28 for 128 images
    of 64 x 64 in colour). It is no uniform permutation: images of a block stay within that distance
    of each other.

    Args:
        count: Number of images.
        image: Shape of each, `(C, H, W)`.
        generator: Decides the order.
    """
    size = images_in(BLOCK_SIZE, image)
    blocks = math.ceil(count / size)
    places = torch.empty(blocks, dtype=torch.float64)
    places[torch.randperm(blocks, generator=generator)] = torch.arange(blocks, dtype=torch.float64)
    index = torch.arange(count)
    waits = torch.rand(count, generator=generator, dtype=torch.float64)
    times = places[index // size] * size + waits * images_in(MIXED_SIZE, image)
    return times.argsort(stable=True)


class ReadAhead:
    """Has the blocks of images read before an epoch needs them, and released after it.

    Args:
        mapped: What the images are mapped from; None for images in memory, then nothing is done.
        x: The images, shape `(N, C, H, W)`.
        order: Their order in this epoch, shape `(N,)`.
    """

    def __init__(self, mapped: MappedPixels | None, x: Tensor, order: Tensor) -> None:
        self._mapped = mapped
        if mapped is None:
            return
        size = images_in(BLOCK_SIZE, x.shape[1:])
        self._ahead = images_in(AHEAD_SIZE, x.shape[1:])
        self._parts = x.split(size)
        self._block_of = order // size  # by position in the order
        self._unread = torch.bincount(self._block_of)  # images of each block still to be used
        self._is_asked_for = torch.zeros(len(self._unread), dtype=torch.bool)
        self._asked = 0
        self._done = 0

    def move_to(self, position: int) -> None:
        """Say that the images before this position in the order have been used."""
        if self._mapped is None:
            return
        end = position + self._ahead
        needed = self._block_of[max(position, self._asked) : end].unique()
        self._asked = end
        new = needed[~self._is_asked_for[needed]]
        self._is_asked_for[new] = True
        for block in new.tolist():
            self._mapped.read_ahead(self._parts[block])
        used, counts = self._block_of[self._done : position].unique(return_counts=True)
        self._done = position
        self._unread[used] -= counts
        for block in used[self._unread[used] == 0].tolist():
            self._mapped.release(self._parts[block])
