"""Disks that are full, folders that are closed, outputs that no file can be."""

import errno
import os
import re
from pathlib import Path

import pytest

from tests.processes import Terminal, assert_clean, assert_refused, posix, run_process
from tests.runs import arguments, contents, record
from vaecli.run import names

pytestmark = posix

# No file may grow beyond this size: to the program it is as if the disk were full.
FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))
"""
# Root may write everywhere. What is imported later could be closed to nobody.
# Code for a child: right before it writes it becomes a user who may not, nor read what it imports.
NOBODY = """
import os
from vaecli.system import files
from vaecli.run import directory
def nobody(call):
    def hindered(*arguments):
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        return call(*arguments)
    return hindered
files.write_atomic, directory.make = nobody(files.write_atomic), nobody(directory.make)
"""


@pytest.mark.slow
def test_a_disk_that_becomes_full_keeps_the_old_checkpoint(cli, run_dir, tmp_path):
    path = run_dir / names.CHECKPOINT
    old = {path: path.read_bytes()}
    line = ["train", "-q", "--resume", run_dir, "--epochs", 3]
    done = run_process(*line, fault=FULL.format(20_000))
    assert_refused(done, 6, tmp_path, old=old)
    assert re.search(rf"Cannot write {re.escape(str(path))} \(3\d,\d{{3}} bytes\): ", done.err)
    assert record(run_dir)["status"] == "failed"
    assert cli(*line).status == 0


@pytest.mark.slow
def test_a_disk_too_full_for_a_plot_stops_no_training(digits, tmp_path):
    run = tmp_path / "run"
    done = run_process(*arguments(digits, run, "-q", "--epochs", 1), fault=FULL.format(40_000))
    assert done.status == 0
    assert_clean(done, tmp_path, result=f"{run}\n")
    warning = r"Warning: Could not save loss\.png: Cannot write .*/run/loss\.png \([\d,]+ bytes\): "
    assert re.match(warning, done.err)
    assert len(done.err.splitlines()) == 1
    assert not (run / "loss.png").exists()
    assert (run / "samples.png").exists()
    assert record(run)["status"] == "completed"


def test_a_disk_too_full_for_a_result_keeps_the_old_one(run_dir, tmp_path):
    old = contents(run_dir)
    done = run_process("plot-loss", "-r", run_dir, fault=FULL.format(1000))
    assert_refused(done, 6, tmp_path, old=old)
    assert f"Cannot write {run_dir / 'loss.png'} (" in done.err


@pytest.fixture
def reachable(tmp_path):
    """A folder that nobody may enter: pytest makes its own for the owner only."""
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture
def closed(reachable):
    """A folder that nobody may write to; a user who is not root is nobody here."""
    folder = reachable / "closed"
    folder.mkdir(mode=0o555)
    yield folder
    folder.chmod(0o755)


def test_a_run_directory_that_may_not_be_made_is_named(closed, tmp_path):
    done = run_process("train", "--run-dir", "closed/run", fault=NOBODY, cwd=tmp_path)
    assert_refused(done, 2, tmp_path)
    assert "Cannot make the run directory closed/run: Permission denied." in done.err
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("place", ["file/run", "a" * 300, "link/run"])
def test_a_run_directory_that_cannot_be_made_is_named_in_full(cli, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"old")
    Path("link").symlink_to("link")
    done = cli("train", "--run-dir", place)
    assert_refused(done, 2, tmp_path, old={tmp_path / "file": b"old"})
    assert f"Cannot make the run directory {place}: " in done.err
    assert {path.name for path in tmp_path.iterdir()} == {"file", "link"}


def test_a_result_that_may_not_be_written_is_named(run_dir, reachable):
    old = contents(run_dir)
    run_dir.chmod(0o555)
    done = run_process("plot-loss", "-r", "run", fault=NOBODY, cwd=reachable)
    run_dir.chmod(0o755)
    assert_refused(done, 2, reachable, old=old)
    assert re.search(r"Cannot write run/loss\.png \([\d,]+ bytes\): Permission denied", done.err)
    assert contents(run_dir) == old


@pytest.mark.parametrize("place", ["file/x.png", "a" * 300 + ".png", "missing/x.png", "dir/"])
def test_a_result_that_cannot_be_written_is_named(cli, trained, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"old")
    Path("dir").mkdir()
    done = cli("sample", "-r", trained, "-n", 1, "-o", place)
    assert_refused(done, 2, tmp_path, old={tmp_path / "file": b"old"})
    assert place.rstrip("/") in done.err


def test_a_folder_is_no_result_whatever_its_name(cli, trained, tmp_path):
    (tmp_path / "x.png").mkdir()
    done = cli("sample", "-r", trained, "-n", 1, "-o", tmp_path / "x.png")
    assert_refused(done, 2, tmp_path)
    assert "it is a folder; name a file in it" in done.err


def test_a_full_device_is_status_6(cli, trained, tmp_path, full_device):
    done = cli("sample", "-r", trained, "-n", 1, "-o", full_device)
    assert_refused(done, 6, tmp_path)
    assert f"Cannot write {full_device} (" in done.err
    assert full_device.is_char_device()


def test_a_full_stdout_is_status_6(trained, tmp_path, full_device):
    with full_device.open("wb") as full:
        done = run_process("plot-loss", "-r", trained, "-o", "-", stdout=full)
    assert_refused(done, 6, tmp_path)
    assert "Cannot write to stdout: No space left on device." in done.err


def test_binary_never_reaches_a_terminal(trained):
    status, shown = Terminal("plot-loss", "-r", trained, "-o", "-").end()
    assert status == 2
    assert shown.startswith("Error: -o - writes binary data: send it to a file or a pipe")
    assert len(shown.splitlines()) == 1


def test_a_system_mounted_read_only_is_the_users_to_mend(cli, trained, tmp_path, monkeypatch):
    """As a closed folder is: only root can make one for a test, so the refusal is made here."""

    def refuse(path, mode="r", *arguments, opened=Path.open, **options):
        if "x" in mode or "w" in mode:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    done = cli("sample", "-r", trained, "-n", 1, "-o", tmp_path / "x.png")
    assert_refused(done, 2, tmp_path)
    assert f"Cannot write {tmp_path / 'x.png'} (" in done.err


@pytest.mark.slow
def test_a_disk_too_full_for_the_first_checkpoint_gives_the_replaced_run_back(
    cli, digits, run_dir, tmp_path
):
    old = contents(run_dir)
    line = arguments(digits, run_dir, "-q", "--epochs", 1, "--overwrite")
    done = run_process(*line, fault=FULL.format(20_000))
    assert_refused(done, 6, tmp_path, old=old)
    assert list(tmp_path.iterdir()) == [run_dir]
    assert cli(*line).status == 0
