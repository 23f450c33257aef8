"""Disk, memory and cores of this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .errors import ResourceError

if sys.platform == "win32":
    resource = None
else:
    import resource


def require_disk(folder: Path, size: int) -> None:
    """Raise `ResourceError` unless the disk of `folder` has `size` free bytes."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    _require(size, shutil.disk_usage(existing).free, f"{folder} needs about", "of disk")


def require_memory(size: int, what: str) -> None:
    """Raise `ResourceError` unless `what`, of `size` bytes, fits into the available memory."""
    _require(size, available_memory(), f"{what} needs", "of memory")


def require_address_space() -> None:
    """Raise `ResourceError` if a limit of the address space (`ulimit -v`) leaves too little.

    With too little, an import of torch or the start of a thread ends the process without a word.
    How much torch takes depends on its build, so that below 8 GB a child tries to import it.
    """
    limit = _address_space_limit()
    reserve = 500_000_000 + 80_000_000 * physical_cores()  # of each thread: stack and heap
    if limit is None or limit > 8_000_000_000 + reserve or not sys.executable:
        return
    left = limit - reserve
    code = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({left}, {left}))\n"
        "import torch"
    )
    if left > 0:
        null = subprocess.DEVNULL
        command = [sys.executable, "-P", "-c", code]
        if not subprocess.run(command, stdin=null, stdout=null, stderr=null).returncode:
            return
    raise ResourceError(
        f"The address space is limited to {limit / 1e6:,.0f} MB, too little for torch: "
        "raise the limit (ulimit -v)."
    )


def _address_space_limit() -> int | None:
    """The limit of this process's address space in bytes; None if there is none."""
    if resource is None:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def _require(size: int, left: int | None, who: str, of: str) -> None:
    if left is not None and size > left:
        raise ResourceError(f"{who} {size / 1e6:,.0f} MB {of}, and {left / 1e6:,.0f} MB are left.")


def available_memory() -> int | None:
    """An upper limit of the memory that this process can still allocate, in bytes.

    It is what the machine has available, and at most the total limit of the batch job or container,
    and what a limit of the address space leaves. None if it is unknown (not Linux).
    """
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(lines["MemAvailable"].split()[0]) * 1024
        limit_file = Path("/sys/fs/cgroup/memory.max")  # the limit of a batch job or a container
        limit = limit_file.read_text().strip() if limit_file.exists() else "max"
        limits = [available] if limit == "max" else [available, int(limit)]
        if space := _address_space_limit():
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limits.append(max(0, space - pages * os.sysconf("SC_PAGE_SIZE")))
        return min(limits)
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
    if resource is None:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
