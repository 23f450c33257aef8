"""A training on images that are mapped from the cache goes on exactly where it was stopped."""

import os
import signal
import time

import pytest

from tests import runs
from tests.processes import PATIENCE, SLOW, begin, end, posix, run_process, wait_for
from vaecli.run import names

pytestmark = [posix, pytest.mark.slow]

# Code for a process: all images come from the cache, in blocks of 4, of which 10 are mixed.
MAPPED = """
from dataclasses import replace
from vaecli.data import blocks, splits
from vaecli.data.cache import Window, cache_key, make_cached
blocks.BLOCK_SIZE, blocks.MIXED_SIZE, blocks.AHEAD_SIZE = 256, 2560, 512
def mapped(*arguments, select=splits._select):
    images = select(*arguments)
    def windows():
        yield Window(images.x, range(len(images)))
    key = cache_key([(images.fingerprint(), "")])
    found = make_cached(key, len(images), images.shape, windows, {}).mapped
    return replace(images, x=found.pixels, mapped=found)
splits._select = mapped
"""


def wait_for_second_epoch(run) -> None:
    wait_for(run / names.LOSSES)
    deadline = time.monotonic() + PATIENCE
    while len(runs.losses(run)) < 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_stopped_in_mid_epoch_is_resumed_exactly(digits, tmp_path, monkeypatch, number):
    monkeypatch.setenv("VAECLI_CACHE", str(tmp_path / "cache"))
    more = ("-q", "--epochs", 3, "--batch-size", 8, "--binarize", "dynamic")
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    done = run_process(*runs.arguments(digits, whole, *more), fault=MAPPED)
    assert done.status == 0, done.err
    process = begin(
        *runs.arguments(digits, stopped, *more), fault=MAPPED + SLOW.format(seconds=0.2)
    )
    wait_for_second_epoch(stopped)
    time.sleep(1)  # some batches of it
    os.kill(process.pid, number)
    assert end(process).status == (-9 if number == signal.SIGKILL else 143)
    header = runs.header(stopped)
    assert len(header["history"]) < 3
    if number == signal.SIGTERM:
        assert header["position"]["batch"] > 0
    done = run_process("train", "-q", "--resume", stopped, fault=MAPPED)
    assert done.status == 0, done.err
    runs.assert_same_run(stopped, whole)
    in_memory = tmp_path / "memory"
    done = run_process(*runs.arguments(digits, in_memory, *more))
    assert runs.losses(in_memory)[0]["train_loss"] != runs.losses(whole)[0]["train_loss"]
