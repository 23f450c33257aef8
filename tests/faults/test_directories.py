"""Folders that are not to be removed, and names that are hard to print."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import Terminal, assert_clean, assert_refused, plain, posix
from tests.runs import arguments, contents, losses
from vaecli.run import names

NAMES = {
    "markup": "my [red] [/x]",
    "mathematics": "$x_$ \N{GRINNING FACE}\nnew line",
    "255 bytes": "n" * 255,
}


@pytest.fixture
def nothing_is_removed(monkeypatch):
    """Fail instead of removing or renaming a folder of the machine that runs the tests."""
    import matplotlib.font_manager  # noqa: F401  # makes folders of its own when it is imported

    def refuse(*arguments, **options):
        raise AssertionError(f"{arguments} would be gone")

    calls = {Path: ("rename", "replace", "rmdir", "unlink", "mkdir", "touch"), shutil: ("rmtree",)}
    calls[os] = ("rename", "replace", "rmdir", "unlink", "mkdir", "makedirs")
    for owner, called in calls.items():
        for name in called:
            monkeypatch.setattr(owner, name, refuse)


@pytest.mark.parametrize("place", ["/", ".", "~", "..", "~/.."])
def test_overwriting_refuses_what_no_run_could_be(
    cli, tmp_path, monkeypatch, nothing_is_removed, place
):
    monkeypatch.chdir(tmp_path)
    done = cli("train", "--overwrite", "--run-dir", os.path.expanduser(place))
    assert_refused(done, 2, tmp_path)
    assert "it is not an ordinary run directory" in done.err


@posix
def test_overwriting_needs_no_home(cli, digits, run_dir, monkeypatch):
    """A user of a container may have neither a name nor a folder."""
    import pwd

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    done = cli(*arguments(digits, run_dir, "-q", "--epochs", 1, "--overwrite"))
    assert done == (0, f"{run_dir}\n", "")


@posix
@pytest.mark.parametrize("kind", NAMES)
def test_any_name_works_and_is_printed_as_it_is(cli, digits, tmp_path, kind):
    run = tmp_path / NAMES[kind]
    done = cli(*arguments(digits, run, "--epochs", 1))
    assert done.status == 0
    assert_clean(done, tmp_path, result=f"{run}\n")
    assert done.err.startswith(f"Training {run} on cpu (")
    assert "Warning" not in done.err
    drawn = (run / "loss.png").read_bytes()
    assert cli("plot-loss", "-r", run) == (0, f"{run / 'loss.png'}\n", "")
    assert (run / "loss.png").read_bytes() == drawn
    plot = run.with_name("z.png")
    done = cli("embed", "-r", run, "--plot", plot)
    assert (done.status, done.out) == (0, f"{plot}\n")
    assert plot.read_bytes().startswith(b"\x89PNG")


@posix
@pytest.mark.parametrize("option", ["--run-dir", "--resume", "--config", "--data-dir"])
def test_bytes_that_are_no_text_are_refused(cli, tmp_path, option):
    done = cli("train", option, tmp_path / os.fsdecode(b"caf\xe9"))
    assert_refused(done, 2, tmp_path)
    assert "is not UTF-8 text" in done.err
    assert list(tmp_path.iterdir()) == []


@posix
@pytest.mark.slow
def test_a_terminal_shows_any_name_as_it_is(digits, tmp_path):
    run = tmp_path / "[red] [/x] $ \N{GRINNING FACE}"
    status, shown = Terminal(*arguments(digits, run, "--epochs", 2)).end()
    assert status == 0
    assert f"Training {run} on cpu (" in shown
    assert plain(shown).endswith(f"\n{run}\n")
    assert "Traceback" not in shown


LINKS = (
    names.CHECKPOINTS,
    names.CHECKPOINT,
    names.EPOCHS,
    names.LOG,
    names.LOSSES,
    names.RECORD,
    names.CONFIG,
    names.SAMPLES,
    names.LOCK,
)


@pytest.mark.parametrize("name", LINKS)
def test_a_link_inside_a_run_leads_no_write_out_of_it(cli, run_dir, tmp_path, name):
    victim = tmp_path / "victim"
    if name == names.LOCK:
        victim.write_bytes(b"precious")
    else:
        (run_dir / name).rename(victim)
    (run_dir / name).symlink_to(victim)
    before = contents(tmp_path)
    done = cli("train", "--resume", run_dir, "--epochs", 3)
    assert_refused(done, 2 if name == names.LOCK else 4, tmp_path)
    assert str(run_dir / name) in done.err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", [names.CHECKPOINTS, names.LOG, names.EPOCHS, names.LOCK])
def test_a_link_in_a_run_that_is_replaced_is_not_followed(cli, digits, run_dir, tmp_path, name):
    victim = tmp_path / "victim"
    if name in names.FOLDERS:
        victim.mkdir()
        (victim / "thesis.txt").write_bytes(b"precious")
        shutil.rmtree(run_dir / name)
    else:
        victim.write_bytes(b"precious")
        (run_dir / name).unlink(missing_ok=True)
    (run_dir / name).symlink_to(victim)
    before = contents(victim) if victim.is_dir() else victim.read_bytes()
    done = cli(*arguments(digits, run_dir, "-q", "--epochs", 1, "--overwrite"))
    assert done.status == (2 if name == names.LOCK else 0)
    assert (contents(victim) if victim.is_dir() else victim.read_bytes()) == before


def test_a_run_directory_may_be_reached_through_a_link(cli, digits, tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "disk")
    assert cli(*arguments(digits, link, "-q", "--epochs", 1)) == (0, f"{link}\n", "")
    assert cli("train", "-q", "--resume", link, "--epochs", 2) == (0, f"{link}\n", "")
    assert len(losses(tmp_path / "disk")) == 2


@posix
def test_a_current_folder_that_was_deleted_is_said(tmp_path):
    """torch, where it is loaded, ends the process with a message about one of its own files."""
    folder = tmp_path / "gone"
    folder.mkdir()
    command = 'cd "$1"; rmdir "$1"; exec "$2" -m vaecli parts'
    arguments = ["bash", "-c", command, "bash", str(folder), sys.executable]
    done = subprocess.run(arguments, capture_output=True, text=True)
    said = "Error: The current folder no longer exists: change to another one.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
