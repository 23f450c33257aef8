"""Pixels that stay in a file: the system reads those that are used, and drops them again."""

import hashlib
import mmap
import warnings

import torch
from torch import Tensor

from ..system.errors import ResourceError

DIGESTED_AT_A_TIME = 1024  # images


class PixelDigest:
    """The SHA-256 of pixels that come in parts."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def add(self, pixels: Tensor) -> None:
        """Add the next images, unsigned bytes on the CPU, shape `(n, C, H, W)`."""
        self._sha256.update(pixels.contiguous().numpy().data)

    def result(self, shape: tuple[int, ...]) -> str:
        """The digest, in hexadecimal, of all that was added; it has the shape `(N, C, H, W)`."""
        whole = self._sha256.copy()
        whole.update(repr(tuple(shape)).encode())
        return whole.hexdigest()


class MappedPixels:
    """Pixels of a file that is mapped into memory, to be read only: writing to them is a crash.

    Nothing is read before it is used, and the system drops what it has read when memory is short:
    the file may be larger than the memory. A limit of the address space (`ulimit -v`) counts all.

    Args:
        handle: Handle of the file, which may be closed afterwards. Its lock lasts as long as a
            tensor of these pixels does.
        shape: `(N, C, H, W)`; the file has as many bytes.
        digest: `PixelDigest` of the pixels.

    Attributes:
        pixels: Unsigned bytes, shape `(N, C, H, W)`.

    Raises:
        ResourceError: The address space is too small.
    """

    def __init__(self, handle: int, shape: tuple[int, int, int, int], digest: str) -> None:
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
        self._digest = digest

    def digest(self, x: Tensor) -> str:
        """The `PixelDigest` of x, a slice of the pixels; of all pixels it is known already."""
        if x.shape == self.pixels.shape:
            return self._digest
        digest = PixelDigest()
        for part in x.split(DIGESTED_AT_A_TIME):
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
        start = x.data_ptr() - self.pixels.data_ptr()
        page = start - start % mmap.PAGESIZE
        self._memory.madvise(option, page, start + x.nbytes - page)
