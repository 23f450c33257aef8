"""Pixels that stay in a file: the system reads those that are used, and drops them again."""

import hashlib
import math
import mmap
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from ..system.errors import ResourceError

CHUNK = 1024  # images that have a digest of their own


class PixelDigest:
    """The SHA-256 of pixels that come in parts: that of their shape and of the chunks' digests.

    So the digest of the first images of a file is known almost without reading them.

    Attributes:
        chunks: The SHA-256 of every chunk of `CHUNK` images, in hexadecimal; the last one may have
            fewer.
    """

    def __init__(self, chunks: Sequence[str] = ()) -> None:
        self.chunks = list(chunks)
        self._chunk = hashlib.sha256()
        self._left = 0  # images until the last chunk is full

    def add(self, pixels: Tensor) -> None:
        """Add the next images, unsigned bytes on the CPU, shape `(n, C, H, W)`."""
        while len(pixels):
            if not self._left:
                self._chunk = hashlib.sha256()
                self._left = CHUNK
                self.chunks.append("")
            part, pixels = pixels[: self._left], pixels[self._left :]
            self._chunk.update(part.contiguous().numpy().data)
            self._left -= len(part)
            self.chunks[-1] = self._chunk.hexdigest()

    def result(self, shape: tuple[int, ...]) -> str:
        """The digest, in hexadecimal, of all that was added; it has the shape `(N, C, H, W)`."""
        return hashlib.sha256(repr((tuple(shape), self.chunks)).encode()).hexdigest()


class MappedPixels:
    """Pixels of a file that is mapped into memory, to be read only: writing to them is a crash.

    Nothing is read before it is used, and the system drops what it has read when memory is short:
    the file may be larger than the memory. A limit of the address space (`ulimit -v`) counts all.

    Args:
        handle: Handle of the file, which may be closed afterwards. Its lock lasts as long as a
            tensor of these pixels does.
        shape: `(N, C, H, W)`; the file has as many bytes.
        chunks: Those of the `PixelDigest` of the pixels.

    Attributes:
        pixels: Unsigned bytes, shape `(N, C, H, W)`.

    Raises:
        ResourceError: The address space is too small.
    """

    def __init__(
        self, handle: int, shape: tuple[int, int, int, int], chunks: Sequence[str]
    ) -> None:
        try:
            self._memory = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
        except OSError as error:
            size = torch.Size(shape).numel() / 1e6
            raise ResourceError(
                f"Cannot map the decoded images ({size:,.0f} MB): {error.strerror}. "
                "A limit of the address space (ulimit -v) must be larger than that."
            ) from error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of tensors that cannot be written to
            self.pixels = torch.frombuffer(self._memory, dtype=torch.uint8).view(shape)
        self._chunks = chunks

    def digest(self, x: Tensor) -> str:
        """The `PixelDigest` of x, a slice of the pixels; only chunks not known yet are read."""
        first = self._offset(x) // self.pixels[0].nbytes
        last = first + len(x)
        known = 0
        if first % CHUNK == 0:
            known = len(x) // CHUNK
            if last == len(self.pixels):
                known = math.ceil(len(x) / CHUNK)
        start = first // CHUNK
        digest = PixelDigest(self._chunks[start : start + known])
        for part in x[known * CHUNK :].split(CHUNK):
            digest.add(part)
            self.release(part)
        return digest.result(tuple(x.shape))

    def read_ahead(self, x: Tensor) -> None:
        """Ask the system to read x, a slice of the pixels, while other work goes on."""
        self._advise(x, "MADV_WILLNEED")

    def release(self, x: Tensor) -> None:
        """Tell the system that x, a slice of the pixels, is not needed for now.

        It no longer counts as memory of this process; the system may keep it for the next read.
        """
        self._advise(x, "MADV_DONTNEED")

    def _advise(self, x: Tensor, advice: str) -> None:
        option = getattr(mmap, advice, None)
        if option is None or not x.numel():  # Windows cannot be advised
            return
        start = self._offset(x)
        page = start - start % mmap.PAGESIZE
        self._memory.madvise(option, page, start + x.nbytes - page)

    def _offset(self, x: Tensor) -> int:
        """The bytes before a slice of the pixels."""
        return x.data_ptr() - self.pixels.data_ptr()
