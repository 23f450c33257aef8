"""Killed without a warning: what is lost, and what a resume makes of the rest."""

import random

import pytest

from tests.commands.test_process import arguments, posix
from tests.commands.test_resume import assert_same_run
from tests.conftest import vaecli
from tests.faults.conftest import assert_clean, hurt, lines_of_epochs
from vaecli.run import checkpoint, names

pytestmark = [posix, pytest.mark.slow]

OPTIONS = ("-q", "--epochs", 4, "--batch-size", 8)
BATCHES = 4 * 96 // 8

# Dies when the bytes of the n-th checkpoint are written but have not taken their name.
DIE_IN_FSYNC = """
import os
from pathlib import Path
def fsync(handle, real=os.fsync, begun=set()):
    begun.update(Path({folder!r}).glob(".tmp-*"))
    if len(begun) == {number}:
        os.kill(os.getpid(), 9)
    real(handle)
os.fsync = fsync
"""
DIE_AFTER_BATCH = """
import os
from vaecli.training import loop
def deadly(*arguments, fit=loop.fit, batches=0):
    for event in fit(*arguments):
        batches += isinstance(event, training.Step)
        if batches == {number}:
            os.kill(os.getpid(), 9)
        yield event
loop.fit = deadly
"""


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    """A run that nobody kills."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert vaecli(*arguments(digits, run, *OPTIONS)) == 0
    return run


def saved(run):
    """How many epochs the checkpoint holds."""
    path = run / names.CHECKPOINT
    return len(checkpoint.load(path)[1]["history"]) if path.exists() else 0


def assert_goes_on(cli, run, whole):
    """A resume trains the epochs that are left and no other, to what they would have been."""
    left = [f"{number}/4" for number in range(saved(run) + 1, 5)]
    done = cli("train", "--resume", run)
    assert (done.status, lines_of_epochs(done.err)) == (0, left)
    assert_clean(done, run, result=f"{run}\n")
    assert_same_run(run, whole)


@pytest.mark.parametrize("number", [1, 3])
def test_a_kill_while_a_checkpoint_is_written_costs_one_epoch(cli, digits, tmp_path, whole, number):
    run = tmp_path / "run"
    fault = DIE_IN_FSYNC.format(folder=str(run / names.CHECKPOINTS), number=number)
    assert hurt(*arguments(digits, run, *OPTIONS), fault=fault) == (-9, "", "")
    assert len(list(run.rglob(".tmp-*"))) == 1
    assert saved(run) == number - 1
    assert_goes_on(cli, run, whole)


@pytest.mark.parametrize("number", random.Random(0).sample(range(1, BATCHES + 1), 5))
def test_a_kill_after_any_batch_leaves_no_trace_once_resumed(cli, digits, tmp_path, whole, number):
    run = tmp_path / "run"
    fault = DIE_AFTER_BATCH.format(number=number)
    assert hurt(*arguments(digits, run, *OPTIONS), fault=fault).status == -9
    assert saved(run) == (number - 1) // (96 // 8)
    assert_goes_on(cli, run, whole)
