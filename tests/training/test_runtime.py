"""Settings of the process that trains, each tested in a process of its own."""

import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from vaecli.system import machine
from vaecli.system.errors import ConfigError
from vaecli.training import runtime

DENORMALS = """
import sys
sys.argv = ["vaecli", "train", "-q", "--epochs", "1", "--data-dir", sys.argv[1],
            "--run-dir", sys.argv[2]]
from vaecli import commands
try:
    commands.main()
except SystemExit as stopped:
    assert not stopped.code
import torch
torch.set_num_threads(2)
tiny = torch.full((10_000_000,), 1e-39)
print("left:", int((tiny * 1.0 != 0).sum()))
"""
PAGE_FAULTS = """
import resource
from vaecli.training.runtime import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        kept = [bytearray(1 << 20) for _ in range(8)]
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
keep_freed_memory()
faults()
print(given_back, faults())
"""


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_every_thread_of_a_training_process_flushes_denormals(digits, tmp_path):
    """They cost a sixth of an epoch; threads that exist already would keep their setting."""
    assert "left: 0" in run(DENORMALS, digits, tmp_path / "run")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU C library only")
def test_freed_memory_is_kept():
    given_back, kept = map(int, run(PAGE_FAULTS).split())
    assert kept < 0.01 * given_back


def test_threads_are_those_asked_for_else_one_per_core_at_most(monkeypatch):
    threads = []
    monkeypatch.setattr(torch, "set_flush_denormal", lambda on: True)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1000)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    runtime.setup_runtime(4)
    runtime.setup_runtime()
    assert threads[0] == 4
    assert threads[1] == machine.physical_cores()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # as OMP_NUM_THREADS says
    runtime.setup_runtime()
    assert threads[2] == 1


def test_thousands_of_threads_would_crash_and_are_refused(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda number: pytest.fail("threads are set"))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(ConfigError, match="threads=9: at most 8 on this machine, 4 per core"):
        runtime.setup_runtime(9)


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch):
    for error in (OSError, TypeError):
        monkeypatch.setattr(runtime.ctypes, "CDLL", _raise(error))
        assert runtime.keep_freed_memory() is None


def test_the_allocator_is_told_to_keep_a_gigabyte_and_to_map_only_large_blocks(monkeypatch):
    """With the parameters M_TRIM_THRESHOLD, -1, and M_MMAP_THRESHOLD, -3, of <malloc.h>."""
    calls = []
    library = SimpleNamespace(mallopt=lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda name: library)
    runtime.keep_freed_memory()
    assert calls == [(-1, 2**30), (-3, 32 * 2**20)]


def _raise(error):
    def load(name):
        raise error

    return load
