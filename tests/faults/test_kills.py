"""Killed without a warning: what is lost, and what a resume makes of the rest."""

import random

import pytest

from tests.conftest import vaecli
from tests.processes import (
    SLOW,
    assert_clean,
    assert_refused,
    begin,
    end,
    epoch_lines,
    posix,
    run_process,
)
from tests.runs import arguments, assert_same_run, contents, header, losses
from vaecli.run import names

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
from vaecli.experiments import train
def deadly(*arguments, fit=train.fit, batches=0):
    for event in fit(*arguments):
        batches += isinstance(event, train.Step)
        if batches == {number}:
            os.kill(os.getpid(), 9)
        yield event
train.fit = deadly
"""


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    """A run that nobody kills."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert vaecli(*arguments(digits, run, *OPTIONS)) == 0
    return run


def saved(run):
    """How many epochs the checkpoint holds."""
    if not (run / names.CHECKPOINT).exists():
        return 0
    return len(header(run)["history"])


def assert_resumes_exactly(cli, run, whole):
    """A resume trains the epochs that are left and no other, to what they would have been."""
    left = [f"{number}/4" for number in range(saved(run) + 1, 5)]
    done = cli("train", "--resume", run)
    assert (done.status, epoch_lines(done.err)) == (0, left)
    assert_clean(done, run, result=f"{run}\n")
    assert_same_run(run, whole)


@pytest.mark.parametrize("number", [1, 3])
def test_a_kill_while_a_checkpoint_is_written_loses_one_epoch(cli, digits, tmp_path, whole, number):
    run = tmp_path / "run"
    fault = DIE_IN_FSYNC.format(folder=str(run / names.CHECKPOINTS), number=number)
    assert run_process(*arguments(digits, run, *OPTIONS), fault=fault) == (-9, "", "")
    assert len(list(run.rglob(".tmp-*"))) == 1
    assert saved(run) == number - 1
    assert_resumes_exactly(cli, run, whole)


@pytest.mark.parametrize("number", random.Random(0).sample(range(1, BATCHES + 1), 5))
def test_a_kill_after_any_batch_leaves_no_trace_once_resumed(cli, digits, tmp_path, whole, number):
    run = tmp_path / "run"
    fault = DIE_AFTER_BATCH.format(number=number)
    assert run_process(*arguments(digits, run, *OPTIONS), fault=fault).status == -9
    assert saved(run) == (number - 1) // (96 // 8)
    assert_resumes_exactly(cli, run, whole)


def test_a_kill_at_the_first_checkpoint_of_a_replacement_loses_nothing(
    cli, digits, run_dir, tmp_path, whole
):
    old = contents(run_dir)
    line = arguments(digits, run_dir, *OPTIONS, "--overwrite")
    fault = DIE_IN_FSYNC.format(folder=str(run_dir / names.CHECKPOINTS), number=1)
    assert run_process(*line, fault=fault) == (-9, "", "")
    assert saved(run_dir) == 0
    done = run_process("sample", "-r", run_dir, "-n", 1, "-o", tmp_path / "x.png")
    assert done.status == 0
    assert done.err.startswith(f"Warning: Restored {run_dir}: the training that was to replace it ")
    assert len(done.err.splitlines()) == 1
    assert contents(run_dir) == old
    fault = DIE_IN_FSYNC.format(folder=str(run_dir / names.CHECKPOINTS), number=2)
    assert run_process(*line, fault=fault) == (-9, "", "")
    assert saved(run_dir) == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["run"]
    assert_resumes_exactly(cli, run_dir, whole)


def test_of_four_starts_in_an_empty_directory_one_trains(digits, tmp_path):
    run = tmp_path / "run"
    (run / names.CHECKPOINTS).mkdir(parents=True)
    line = arguments(digits, run, "-q", "--epochs", 2, "--resume", "auto")
    processes = [begin(*line, fault=SLOW.format(seconds=0.5)) for _ in range(4)]
    by_status = sorted(zip(map(end, processes), processes, strict=True), key=lambda p: p[0].status)
    (winner, first), *losers = by_status
    assert winner == (0, f"{run}\n", "")
    for done, _ in losers:
        assert_refused(done, 2, tmp_path)
        assert f"{run} is being trained by process {first.pid} on " in done.err
    assert len(losses(run)) == 2
