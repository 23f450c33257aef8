"""Checks of disk, memory, cores and compiler."""

import os
import shutil
import sys
from pathlib import Path

from .errors import ResourceError


def require_disk(folder: Path, size: int) -> None:
    """Raise `ResourceError` unless the disk of `folder` has room for `size` bytes."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    _require(size, shutil.disk_usage(there).free, f"{folder} needs about", "of disk")


def require_memory(size: int, what: str) -> None:
    """Raise `ResourceError` unless there is memory for the `size` bytes of `what`."""
    _require(size, available_memory(), f"{what} needs", "of memory")


def _require(size: int, left: int | None, who: str, of: str) -> None:
    if left is not None and size > left:
        need, rest = (f"{number / 1e6:,.0f}" for number in (size, left))
        raise ResourceError(f"{who} {need} MB {of}, and {rest} MB are left.")


def available_memory() -> int | None:
    """Bytes of memory that this process may still take; None where Linux does not say."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        there = int(lines["MemAvailable"].split()[0]) * 1024
        limit = Path("/sys/fs/cgroup/memory.max")  # that of a batch job or a container
        text = limit.read_text().strip() if limit.exists() else "max"
        return there if text == "max" else min(there, int(text))
    except (OSError, KeyError, ValueError):
        return None


def cores(there: Path = Path("/sys/devices/system/cpu")) -> int:
    """Physical cores that this process may use: two threads of one core wait for each other."""
    try:
        own = os.sched_getaffinity(0)
        return len({(there / f"cpu{n}/topology/thread_siblings_list").read_text() for n in own})
    except (OSError, AttributeError):  # not Linux
        return os.cpu_count() or 1


def can_compile() -> bool:
    """Whether torch finds a C++ compiler that works, which one small function tells."""
    import torch

    try:
        torch.compile(torch.neg)(torch.zeros(1))
    except Exception:  # of many kinds: no compiler, no headers, an unsupported Python
        return False
    return True


def peak_memory() -> int | None:
    """The most bytes of memory that this process has taken; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
