"""Disk, memory and cores of this machine."""

import os
import shutil
import sys
from pathlib import Path

from .errors import ResourceError


def require_disk(folder: Path, size: int) -> None:
    """Raise `ResourceError` unless the disk of `folder` has `size` free bytes."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    _require(size, shutil.disk_usage(existing).free, f"{folder} needs about", "of disk")


def require_memory(size: int, what: str) -> None:
    """Raise `ResourceError` unless `what`, of `size` bytes, fits into the available memory."""
    _require(size, available_memory(), f"{what} needs", "of memory")


def _require(size: int, left: int | None, who: str, of: str) -> None:
    if left is not None and size > left:
        raise ResourceError(f"{who} {size / 1e6:,.0f} MB {of}, and {left / 1e6:,.0f} MB are left.")


def available_memory() -> int | None:
    """An upper limit of the memory that this process can still allocate, in bytes.

    It is what the machine has available, and at most the total limit of the batch job or container.
    None if it is unknown (not Linux).
    """
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(lines["MemAvailable"].split()[0]) * 1024
        limit_file = Path("/sys/fs/cgroup/memory.max")  # the limit of a batch job or a container
        limit = limit_file.read_text().strip() if limit_file.exists() else "max"
        return available if limit == "max" else min(available, int(limit))
    except (OSError, KeyError, ValueError):
        return None


def physical_cores(system: Path = Path("/sys/devices/system/cpu")) -> int:
    """Number of physical cores that this process may use.

    Threads are one per physical core, since two threads on one core slow each other down.
    """
    try:
        usable = os.sched_getaffinity(0)
        siblings = [system / f"cpu{n}/topology/thread_siblings_list" for n in usable]
        return len({path.read_text() for path in siblings})
    except (OSError, AttributeError):  # not Linux
        return os.cpu_count() or 1


def peak_memory() -> int | None:
    """Peak memory of this process so far, in bytes; None if unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
