"""Two processes that resume one run."""

import time

import pytest

import vaecli
from tests.commands.test_process import posix
from tests.faults.conftest import SLOW, assert_clean, assert_refused, begin, contents, end

pytestmark = [posix, pytest.mark.slow]


def test_of_two_that_resume_one_run_at_once_one_goes_on(run_dir, tmp_path):
    line = ["train", "-q", "--resume", run_dir, "--epochs", 6]
    processes = [begin(*line, fault=SLOW.format(seconds=0.2)) for _ in range(2)]
    while all(process.poll() is None for process in processes):
        time.sleep(0.05)
    assert {process.poll() for process in processes} == {2, None}  # the other still trains
    by_status = sorted(zip(map(end, processes), processes, strict=True), key=lambda p: p[0].status)
    (winner, first), (loser, _) = by_status
    assert winner.status == 0
    assert_clean(winner, tmp_path, result=f"{run_dir}\n")
    assert_refused(loser, 2, tmp_path)
    record = vaecli.open(run_dir).record
    assert f"is being trained by process {first.pid} on {record.host}" in loser.err
    assert (record.pid, record.resumes, record.epochs_done) == (first.pid, 1, 6)
    assert len(vaecli.open(run_dir).losses()["epoch"]) == 6
    assert ".lock" not in {path.name for path in contents(run_dir)}
