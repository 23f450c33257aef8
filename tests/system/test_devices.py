"""Selecting a device by name, and finding out whether torch can compile."""

import os
import subprocess
import sys

import pytest
import torch

from vaecli.system.devices import can_compile, select_device
from vaecli.system.errors import ConfigError


def test_auto_selects_cuda_then_mps_then_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert select_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert select_device("auto") == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert select_device("auto") == select_device("cuda") == torch.device("cuda:0")
    assert select_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize("name", ["cuda", "cuda:9", "mps", "tpu", ""])
def test_a_missing_device_is_refused_with_the_available_ones(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="this machine has cpu"):
        select_device(name)


def test_what_fails_when_it_is_compiled_or_called_cannot_be_compiled(monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no headers")

    monkeypatch.setattr(torch, "compile", lambda function: function)
    assert can_compile()
    monkeypatch.setattr(torch, "compile", lambda function: fail)
    assert not can_compile()
    monkeypatch.setattr(torch, "compile", fail)
    assert not can_compile()


@pytest.mark.slow
def test_a_broken_compiler_counts_as_none(tmp_path):
    script = "from vaecli.system import devices; print(devices.can_compile())"
    fake = tmp_path / "c++"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    environment = {**os.environ, "CXX": str(fake), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True)
    assert done.stdout == b"False\n"
