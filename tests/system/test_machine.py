"""Cores and memory of the machine."""

import os
import subprocess
import sys
from pathlib import Path

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
