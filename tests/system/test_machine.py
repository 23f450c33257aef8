"""Cores and memory of the machine."""

import os

import pytest

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
