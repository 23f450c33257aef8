"""The lock of a run: one process trains it at a time."""

import os
import subprocess
import sys

import pytest

from tests.runs import set_record
from vaecli.run import names
from vaecli.run.lock import run_lock
from vaecli.system.errors import ConfigError

HOLD = """
import sys
from pathlib import Path
from vaecli.run.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(run_dir):
    """Another process, which holds the lock of the run as long as it lives."""
    command = [sys.executable, "-c", HOLD, str(run_dir)]
    process = subprocess.Popen(command, stdin=-1, stdout=-1, text=True)
    assert process.stdout.readline() == "held\n"
    set_record(run_dir, pid=process.pid, host="this machine")
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_at_once_by_process_and_host(run_dir, holder):
    with (
        pytest.raises(
            ConfigError, match=f"is being trained by process {holder.pid} on this machine"
        ),
        run_lock(run_dir),
    ):
        pass


def test_the_lock_of_a_killed_process_is_free(run_dir, holder):
    holder.kill()
    holder.communicate()
    with run_lock(run_dir):
        assert (run_dir / names.LOCK).exists()


def test_the_lock_is_released_however_the_work_ends(run_dir):
    with pytest.raises(KeyError), run_lock(run_dir):
        raise KeyError
    assert not (run_dir / names.LOCK).exists()
    with run_lock(run_dir):
        pass


def test_one_process_does_not_hold_a_lock_twice(run_dir):
    set_record(run_dir, pid=os.getpid())
    with (
        run_lock(run_dir),
        pytest.raises(ConfigError, match=f"by process {os.getpid()} on "),
        run_lock(run_dir),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"Cannot write in .*file: "), run_lock(tmp_path / "file"):
        pass
