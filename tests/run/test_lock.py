"""The lock of a run: one process trains it at a time."""

import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from tests.processes import posix
from tests.runs import contents, set_record
from vaecli.run import lock, names
from vaecli.run.lock import RunIsLocked, require_free, run_lock
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
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_at_once_by_process_and_host(run_dir, holder):
    with (
        pytest.raises(
            ConfigError, match=f"is being trained by process {holder.pid} on {platform.node()}"
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


def test_who_holds_the_lock_is_known_before_there_is_a_run(tmp_path):
    with (
        run_lock(tmp_path),
        pytest.raises(ConfigError, match=rf"by process {os.getpid()} on {platform.node()}\."),
        run_lock(tmp_path),
    ):
        pass


@pytest.mark.parametrize("content", ["", "no process", "7\n\x1b[31m\n", "9" * 5000])
def test_a_lock_that_names_nobody_is_still_held(tmp_path, content):
    with run_lock(tmp_path):
        (tmp_path / names.LOCK).write_text(content)
        with pytest.raises(ConfigError, match=r"is being trained by another process\."):
            require_free(tmp_path)


def test_a_lock_that_is_only_asked_for_a_moment_is_waited_for(tmp_path):
    """Another process looks whether the run is free; a start must not fail for that."""
    asked = FileLock(tmp_path / names.LOCK, thread_local=False)
    asked.acquire()
    timer = threading.Timer(lock.PATIENCE / 4, asked.release)
    timer.start()
    with run_lock(tmp_path):
        assert not asked.is_locked
    timer.join()


def test_asking_for_a_lock_writes_nothing(run_dir):
    before = contents(run_dir)
    require_free(run_dir)
    assert contents(run_dir) == before
    (run_dir / names.LOCK).write_text("7\nkilled\n")
    require_free(run_dir)
    assert (run_dir / names.LOCK).read_text() == "7\nkilled\n"


def test_a_lock_goes_with_its_directory(tmp_path):
    """It is neither lost when the directory is renamed, nor does it take another lock with it."""
    folder, renamed = tmp_path / "a", tmp_path / "b"
    folder.mkdir()
    with run_lock(folder):
        folder.rename(renamed)
        with pytest.raises(RunIsLocked):
            require_free(renamed)
        folder.mkdir()
        (folder / names.LOCK).write_text("of another process")
    assert (folder / names.LOCK).read_text() == "of another process"


@posix
@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
def test_a_lock_that_is_no_file_is_refused(tmp_path, kind):
    victim = tmp_path / "victim"
    run = tmp_path / "run"
    run.mkdir()
    if kind == "folder":
        (run / names.LOCK).mkdir()
    elif kind == "pipe":
        os.mkfifo(run / names.LOCK)
    else:
        (run / names.LOCK).symlink_to(victim)
    if kind == "link":
        victim.write_text("precious")
    for use in (require_free, lambda folder: run_lock(folder).__enter__()):
        with pytest.raises(ConfigError, match=r"\.lock is not an ordinary file: remove it\."):
            use(run)
    assert not victim.exists() or victim.read_text() == "precious"


def test_the_error_names_the_run_as_the_caller_does(tmp_path):
    """A run that was set aside is locked under another name than the user's."""
    with run_lock(tmp_path):
        for take in (require_free, lambda *names: run_lock(*names).__enter__()):
            with pytest.raises(RunIsLocked, match=r"^my-run is being trained by process"):
                take(tmp_path, Path("my-run"))
