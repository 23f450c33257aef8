"""Settings of the process that trains: threads, denormals, allocator."""

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>


def keep_memory() -> None:
    """Let the C library keep what is freed for the next batch, which takes as much again.

    GNU's gives it back to the system, page by page: 500 page faults in a step of the default model,
    a tenth of the time of a network with one hidden layer. Other libraries are left alone.
    """
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_TRIM_THRESHOLD, 1 << 30)
        library.mallopt(M_MMAP_THRESHOLD, 1 << 25)  # the most that it takes
