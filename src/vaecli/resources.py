"""Disk and memory that are left, asked about before work begins that would run out of them."""

import shutil
import sys
from pathlib import Path

from .errors import ResourceError

MB = 1e6


def require_disk(folder: Path, size: int) -> None:
    """Raise `ResourceError` unless the disk of `folder` has room for `size` bytes."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if size > free:
        raise ResourceError(
            f"The run needs about {size / MB:,.0f} MB of disk, but {folder} has "
            f"{free / MB:,.0f} MB left. Make room, or choose another --run-dir."
        )


def require_memory(size: int, what: str) -> None:
    """Raise `ResourceError` unless there is memory for the `size` bytes of `what`."""
    there = available_memory()
    if there is not None and size > there:
        raise ResourceError(
            f"{what} would take {size / MB:,.0f} MB of memory, but {there / MB:,.0f} MB are "
            "left. Use fewer images, or a larger machine."
        )


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


def peak_memory() -> int | None:
    """The most bytes of memory that this process has taken; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
