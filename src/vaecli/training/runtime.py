"""Settings of the training process: denormals, threads, memory allocator.

Python users may call `setup_runtime()` for speed, before any tensor exists.
"""

import ctypes
import os
from contextlib import suppress

import torch

from ..system import machine
from ..system.errors import ConfigError
from ..system.process_variables import local_count

THREADS_PER_CORE = 4

# Parameters of mallopt, from <malloc.h>.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


def setup_runtime(threads: int | None = None) -> None:
    """Flush denormals to zero, and set the number of CPU threads.

    Call it before the first tensor operation, since it does not affect threads that exist already.
    For pixels that are always black, Adam's averages decay to denormals, which are slow.

    Args:
        threads: Number of threads; by default one per physical core, which several processes
            divide between them.

    Raises:
        ConfigError: There are more than 4 threads per core: thousands would crash the process.
    """
    limit = THREADS_PER_CORE * (os.cpu_count() or 1)
    if threads is not None and threads > limit:
        raise ConfigError(f"threads={threads}: at most {limit} on this machine, 4 per core.")
    torch.set_flush_denormal(True)
    if threads is None:
        threads = max(1, machine.physical_cores() // local_count())
        if "TORCHELASTIC_RUN_ID" not in os.environ:  # torchrun chooses 1, whatever there is
            threads = min(torch.get_num_threads(), threads)
    torch.set_num_threads(threads)


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next batch, which needs as much again.

    Call it after the data are loaded, so that memory used for reading is returned first. By default
    GNU's C library returns freed memory to the system, and the next batch gets it back page by
    page: 500 page faults in a step of the default model. With one hidden layer, page faults take a
    tenth of the time of a step. For other C libraries nothing is changed.
    """
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_TRIM_THRESHOLD, 1 << 30)
        library.mallopt(M_MMAP_THRESHOLD, 1 << 25)  # the largest value that it accepts
