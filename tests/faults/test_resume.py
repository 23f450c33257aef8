"""Two processes that resume one run."""

import time

import pytest

import vaecli
from tests.processes import SLOW, assert_clean, assert_refused, begin, end, posix
from tests.runs import contents, record

pytestmark = [posix, pytest.mark.slow]


def test_of_two_processes_that_resume_one_run_one_is_refused(run_dir, tmp_path):
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
    found = record(run_dir)
    assert f"is being trained by process {first.pid} on {found['host']}" in loser.err
    assert (found["pid"], found["resumes"], found["epochs_done"]) == (first.pid, 1, 6)
    assert len(vaecli.open(run_dir).losses()["epoch"]) == 6
    assert ".lock" not in {path.name for path in contents(run_dir)}
