"""Cores, memory and disk of the machine: which number is read, and in which unit."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.processes import posix
from vaecli.system import machine
from vaecli.system.errors import ResourceError


def test_two_threads_of_one_core_count_once(tmp_path, monkeypatch):
    for n, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        (tmp_path / f"cpu{n}" / "topology").mkdir(parents=True)
        (tmp_path / f"cpu{n}" / "topology" / "thread_siblings_list").write_text(siblings + "\n")
    for own, wanted in (({0, 1, 2, 3}, 2), ({0, 2}, 1), ({1, 2}, 2)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, own=own: own, raising=False)
        assert machine.physical_cores(tmp_path) == wanted
    assert machine.physical_cores(tmp_path / "missing") == (os.cpu_count() or 1)


def test_available_memory_is_read_from_the_system(monkeypatch, tmp_path):
    available = machine.available_memory()
    if available is not None:  # Linux
        assert 2**20 < available < 2**50
    machine.require_memory(1, "a byte")
    monkeypatch.setattr(machine, "available_memory", lambda: 5)
    with pytest.raises(ResourceError, match=r"needs 1,152,921,504,607 MB"):
        machine.require_memory(2**60, "everything")


@pytest.fixture
def limit(monkeypatch):
    """Say that the address space is limited, and count the children that try an import."""
    children = []

    def run(command, **streams):
        children.append(command)
        return subprocess.CompletedProcess(command, limited.status)

    def limited(size, status=0):
        limited.status = status
        monkeypatch.setattr(machine, "_address_space_limit", lambda: size)
        monkeypatch.setattr(machine.subprocess, "run", run)
        machine.require_address_space()
        return len(children)

    return limited


def test_only_a_low_limit_of_the_address_space_is_tried(limit):
    assert limit(None) == 0
    assert limit(2**40) == 0
    assert limit(4_000_000_000) == 1


@pytest.mark.parametrize(("size", "status"), [(4_000_000_000, -6), (100_000_000, 0)])
def test_an_address_space_too_small_for_torch_is_refused(limit, size, status):
    said = rf"limited to {size // 1_000_000:,} MB, too little for torch: raise .* \(ulimit -v\)"
    with pytest.raises(ResourceError, match=said):
        limit(size, status)


@posix
def test_a_process_with_too_little_address_space_says_so():
    script = 'ulimit -v 1000000; exec "$@"'
    command = [sys.executable, "-m", "vaecli", "parts"]
    done = subprocess.run(["bash", "-c", script, "bash", *command], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.startswith("Error: The address space is limited to 1,024 MB, too little")


@posix
def test_what_a_limit_of_the_address_space_leaves_is_the_memory(monkeypatch):
    if (available := machine.available_memory()) is None:
        pytest.skip("not Linux")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(machine, "_address_space_limit", lambda: used + 10_000_000)
    assert machine.available_memory() <= min(10_000_000, available)


MEMINFO = "MemTotal:  900 kB\nMemFree:  3 kB\nMemAvailable:  64 kB\nBuffers:  5 kB\n"
AVAILABLE = 64 * 1024


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Files in the place of those of the system: `system("/proc/meminfo", text)`."""
    monkeypatch.setattr(machine, "Path", lambda path: tmp_path / str(path).lstrip("/"))

    def write(path, text):
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, AVAILABLE),
        ("max\n", AVAILABLE),
        ("40000\n", 40_000),
        (f"{AVAILABLE - 1}\n", AVAILABLE - 1),
        (f"{AVAILABLE + 1}\n", AVAILABLE),
        ("0\n", 0),
        ("what\n", None),
    ],
)
def test_available_memory_is_the_less_of_machine_and_control_group_in_bytes(
    system, limit, expected
):
    """The machine counts in kB of 1024 bytes, the control group in bytes."""
    system("/proc/meminfo", MEMINFO)
    if limit is not None:
        system("/sys/fs/cgroup/memory.max", limit)
    assert machine.available_memory() == expected


@pytest.mark.parametrize(
    "text", ["", "MemTotal:  900 kB\n", "MemAvailable:  many kB\n", "nonsense"]
)
def test_memory_is_unknown_where_the_system_does_not_say(system, text):
    assert machine.available_memory() is None
    system("/proc/meminfo", text)
    assert machine.available_memory() is None
    machine.require_memory(2**60, "everything")  # nothing is known, so nothing is refused


def test_memory_is_refused_from_the_first_byte_too_many(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 2_000_000_000)
    machine.require_memory(2_000_000_000, "train.gz")
    with pytest.raises(ResourceError) as caught:
        machine.require_memory(3_499_600_000, "train.gz")
    assert str(caught.value) == (
        "train.gz needs 3,500 MB of memory, and 2,000 MB are left."  # a MB has 10^6 bytes
    )
    with pytest.raises(ResourceError):
        machine.require_memory(2_000_000_001, "train.gz")


def test_disk_is_refused_from_the_first_byte_too_many(tmp_path, monkeypatch):
    """The free bytes count, of the disk where the first folder lies that exists."""
    asked = []

    def disk_usage(path):
        asked.append(path)
        return SimpleNamespace(total=10**15, used=10**14, free=7_000_000)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    run = tmp_path / "a" / "b"
    machine.require_disk(run, 7_000_000)
    with pytest.raises(ResourceError) as caught:
        machine.require_disk(run, 7_000_001)
    assert str(caught.value) == f"{run} needs about 7 MB of disk, and 7 MB are left."
    assert asked == [tmp_path, tmp_path]
    run.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for folder in (run, Path("a/b"), Path("a/b/c/d"), Path("c")):
        machine.require_disk(folder, 1)
    assert [path.resolve() for path in asked[2:]] == [run, run, run, tmp_path]


@pytest.mark.parametrize(("platform", "unit"), [("linux", 1024), ("darwin", 1)])
def test_peak_memory_is_that_of_this_process_in_bytes(monkeypatch, platform, unit):
    """Linux counts it in kB of 1024 bytes, macOS in bytes."""
    peaks = {0: 3000, -1: 9000}  # of this process and of its children
    stand_in = SimpleNamespace(
        RUSAGE_SELF=0,
        RUSAGE_CHILDREN=-1,
        getrusage=lambda who: SimpleNamespace(ru_maxrss=peaks[who]),
    )
    monkeypatch.setattr(machine, "resource", stand_in)
    monkeypatch.setattr(sys, "platform", platform)
    assert machine.peak_memory() == 3000 * unit


def test_peak_memory_is_unknown_without_the_module(monkeypatch):
    """As on Windows."""
    monkeypatch.setattr(machine, "resource", None)
    assert machine.peak_memory() is None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux only")
def test_peak_memory_is_what_the_kernel_says():
    """It may be more: a process inherits the peak of the one that started it."""
    status = Path("/proc/self/status").read_text()
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    assert 0.9 * int(peak) * 1024 < machine.peak_memory() < 2**50
