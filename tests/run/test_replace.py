"""Replacing a run: whatever ends the process, one of the two is whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import posix
from tests.runs import contents, record, set_record
from vaecli.config.config import Config
from vaecli.run import names, replace
from vaecli.run.create import make_run, new_run, planned_run
from vaecli.run.directory import is_blank
from vaecli.run.find import latest_run, open_run, runs_newest_first
from vaecli.run.lock import run_lock
from vaecli.run.replace import NotRestoredWarning, RestoredWarning, find_aside, recover, recover_all
from vaecli.system.errors import ConfigError, RunError

OLD = b"weights of the old run"
NEW = b"weights of the new run"

# Replaces the run in argv[1], up to a moment, and says so; then waits to be killed.
REPLACE = """
import sys
from pathlib import Path
from vaecli.config.config import Config
from vaecli.run import create, directory, replace
folder, moment = Path(sys.argv[1]), sys.argv[2]
def stop(*ignored, **options):
    print("there", flush=True)
    sys.stdin.read()
if moment == "aside":
    directory.make = stop
if moment == "made":
    create.write_config = stop
if moment == "deleting":
    replace.shutil.rmtree = stop
with create.new_run(Config(epochs=7), folder, overwrite=True) as run:
    if moment == "started":
        stop()
    run.checkpoint.write_bytes(b"weights of the new run")
    if moment == "saved":
        stop()
"""
BEFORE_THE_CHECKPOINT = ("aside", "made", "started")
AFTER_THE_CHECKPOINT = ("saved", "deleting")


@pytest.fixture
def old(tmp_path):
    """A trained run."""
    run = make_run(Config(epochs=3), tmp_path / "run")
    run.checkpoint.write_bytes(OLD)
    return run.folder


@pytest.fixture
def replacing(old):
    """Start a process that replaces the run, and stays at a moment of it."""
    started = []

    def begin(moment):
        command = [sys.executable, "-c", REPLACE, str(old), moment]
        process = subprocess.Popen(command, stdin=-1, stdout=-1, text=True)
        started.append(process)
        assert process.stdout.readline() == "there\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def beside(folder):
    return sorted(path.name for path in folder.parent.iterdir())


@pytest.mark.parametrize("moment", BEFORE_THE_CHECKPOINT)
def test_a_run_comes_back_after_a_kill_before_the_first_checkpoint(old, replacing, moment):
    before = contents(old)
    process = replacing(moment)
    assert not (old / names.CHECKPOINT).exists()
    recover(old)  # another process has it in hand
    assert not (old / names.CHECKPOINT).exists()
    with pytest.raises(ConfigError, match=f"run is being trained by process {process.pid} on "):
        make_new(old, overwrite=True)
    process.kill()
    process.wait()
    with pytest.warns(RestoredWarning, match=rf"Restored {old}: the training that was to replace"):
        recover(old)
    assert contents(old) == before
    assert beside(old) == ["run"]


@pytest.mark.parametrize("moment", AFTER_THE_CHECKPOINT)
def test_the_new_run_stays_after_a_kill_behind_the_first_checkpoint(old, replacing, moment):
    process = replacing(moment)
    process.kill()
    process.wait()
    waits, _ = beside(old)
    assert ("-removed-" in waits) == (moment == "deleting")  # no half of it may ever come back
    recover(old)
    assert (old / names.CHECKPOINT).read_bytes() == NEW
    assert beside(old) == ["run"]


def make_new(folder, overwrite):
    """Start a new run, which saves no checkpoint."""
    with new_run(Config(epochs=7), folder, overwrite) as run:
        return contents(run.folder)


def set_aside_by_a_kill(old):
    """As if a process had been killed right after it set the run aside."""
    aside = old.with_name(f".{old.name}-replaced-0123abcd")
    old.rename(aside)
    return aside


@pytest.fixture
def lost(old):
    """A run that was set aside; the new one has begun and has no checkpoint."""
    set_aside_by_a_kill(old)
    make_run(Config(epochs=7), old)
    (old / names.LOG).write_text("epoch 1")
    (old / names.DATA_PICTURE).write_bytes(b"")
    (old / names.CHECKPOINTS / ".tmp-01234567").write_bytes(b"half")
    return old


def test_the_next_start_without_overwrite_gives_the_run_back(lost):
    with (
        pytest.warns(RestoredWarning),
        pytest.raises(ConfigError, match="is not empty"),
    ):
        make_new(lost, overwrite=False)
    assert (lost / names.CHECKPOINT).read_bytes() == OLD


def test_the_next_overwrite_starts_from_the_run_that_was_given_back(lost):
    with pytest.warns(RestoredWarning):
        make_new(lost, overwrite=True)
    assert (lost / names.CHECKPOINT).read_bytes() == OLD
    assert beside(lost) == ["run"]


def test_opening_a_run_gives_it_back(lost):
    with pytest.warns(RestoredWarning):
        open_run(lost)
    assert (lost / names.CHECKPOINT).read_bytes() == OLD


def test_opening_the_run_through_a_link_gives_it_back(lost, tmp_path):
    link = tmp_path / "elsewhere" / "link"
    link.parent.mkdir()
    link.symlink_to(lost)
    with pytest.warns(RestoredWarning, match=f"Restored {link}"):
        open_run(link)
    assert (lost / names.CHECKPOINT).read_bytes() == OLD


def test_all_runs_of_a_folder_are_given_back(lost, tmp_path):
    with pytest.warns(RestoredWarning):
        recover_all(tmp_path)
    assert (lost / names.CHECKPOINT).read_bytes() == OLD
    recover_all(tmp_path / "missing")


@pytest.fixture
def stuck(old):
    """A run that was set aside, and cannot be put back: its place has another file."""
    aside = old.rename(old.with_name(".run-replaced-12345678"))
    old.mkdir()
    (old / "notes.txt").write_text("kept")
    return aside


def test_a_run_that_cannot_be_put_back_is_named_with_its_place(old, stuck):
    reason = "run is not empty. Move one of the two elsewhere"
    with pytest.raises(ConfigError, match=f"Cannot put .*{stuck.name} back to .*: .*{reason}"):
        recover(old)
    assert (stuck / names.CHECKPOINT).read_bytes() == OLD
    assert contents(old) == {old / "notes.txt": b"kept"}


def test_a_run_that_cannot_be_put_back_blocks_no_other(stuck, tmp_path, monkeypatch):
    other = make_run(Config(), tmp_path / "other")
    other.checkpoint.write_bytes(NEW)
    with pytest.warns(NotRestoredWarning, match="Cannot put"):
        assert latest_run(tmp_path).folder == other.folder
    root = tmp_path / "runs"
    root.mkdir()
    (tmp_path / "run").rename(root / "run")
    stuck.rename(root / stuck.name)
    monkeypatch.chdir(tmp_path)
    with (
        pytest.warns(NotRestoredWarning, match="Cannot put"),
        new_run(Config(preset="vae"), None, overwrite=False) as run,
    ):
        assert run.folder.name == "mnist-vae-1"
    assert (root / stuck.name / names.CHECKPOINT).read_bytes() == OLD


@pytest.mark.parametrize("digits", ["00000000", "ffffffff"])
def test_of_two_runs_in_waiting_the_last_one_comes_back(old, tmp_path, digits):
    """The first stays if its deletion fails after the second one has replaced it."""
    make_run(Config(), tmp_path / "first").checkpoint.write_bytes(NEW)
    set_record(tmp_path / "first", started="2020-01-01T00:00:00Z")
    (tmp_path / "first").rename(tmp_path / f".run-replaced-{digits}")
    old.rename(tmp_path / ".run-replaced-88888888")
    with pytest.warns(RestoredWarning):
        recover(old)
    assert (old / names.CHECKPOINT).read_bytes() == OLD
    assert beside(old) == ["run"]


def test_a_run_that_was_half_deleted_never_comes_back(old):
    """Not even if the one that replaced it is gone, too."""
    removed = old.with_name(".run-removed-0123abcd")
    shutil.copytree(old, removed)
    shutil.rmtree(old)
    (removed / names.RECORD).unlink()
    with pytest.raises(RunError, match="does not exist"):
        open_run(old)
    assert list(old.parent.iterdir()) == []


def test_files_of_others_in_the_place_of_a_run_are_not_removed(lost):
    (lost / "thesis.txt").write_bytes(b"precious")
    with pytest.raises(ConfigError, match="run is not empty"):
        open_run(lost)
    assert (lost / "thesis.txt").read_bytes() == b"precious"
    (aside,) = find_aside(lost)
    assert (aside / names.CHECKPOINT).read_bytes() == OLD


@pytest.mark.parametrize(
    "name", [".run-replaced-0123abc", ".run-replaced-0123ABCD", ".run2-replaced-0123abcd"]
)
def test_directories_with_other_names_are_left_alone(old, name):
    shutil.copytree(old, old.with_name(name))
    recover(old)
    assert beside(old) == sorted(["run", name])


def test_a_directory_that_is_no_run_is_left_alone(old):
    for name in (".run-replaced-0123abcd", ".run-removed-0123abcd"):
        old.with_name(name).mkdir()
        (old.with_name(name) / "thesis.txt").write_bytes(b"precious")
        recover(old)
        assert (old.with_name(name) / "thesis.txt").read_bytes() == b"precious"
    link = old.with_name(".run-replaced-00000000")
    link.symlink_to(old, target_is_directory=True)
    recover(old)
    assert (old / names.CHECKPOINT).read_bytes() == OLD


def test_a_dry_run_writes_nothing_beside_a_run_that_was_set_aside(lost):
    before = contents(lost.parent)
    planned_run(lost, overwrite=True)
    with pytest.raises(ConfigError, match="is not empty"):
        planned_run(lost, overwrite=False)
    assert contents(lost.parent) == before


def test_a_dry_run_refuses_to_replace_a_run_that_is_trained(old):
    with run_lock(old):
        before = contents(old)
        with pytest.raises(ConfigError, match="is being trained by process"):
            planned_run(old, overwrite=True)
        assert contents(old) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_the_new_run_stays_if_it_fails_behind_its_first_checkpoint(old, error):
    with pytest.raises(type(error)):
        fail_after_the_checkpoint(old, error)
    assert (old / names.CHECKPOINT).read_bytes() == NEW
    assert beside(old) == ["run"]


def fail_after_the_checkpoint(folder, error):
    with new_run(Config(epochs=7), folder, overwrite=True) as run:
        run.checkpoint.write_bytes(NEW)
        raise error


def test_errors_inside_a_new_run_stay_what_they_are(tmp_path):
    """Where there was nothing to replace, too."""
    with pytest.raises(RunError, match="mine"), new_run(Config(), tmp_path / "a", overwrite=True):
        raise RunError("mine")
    assert list(tmp_path.iterdir()) == []


def test_a_second_start_backs_off_while_the_first_replaces(old, monkeypatch):
    """The first set the run aside after the second had looked, and before it had the lock."""
    looks = []

    def look(folder, but=None, real=replace.require_settled):
        looks.append(folder)
        if len(looks) == 2:
            shutil.copytree(old, old.with_name(".new-replaced-0123abcd"))
        real(folder, but)

    monkeypatch.setattr(replace, "require_settled", look)
    with pytest.raises(ConfigError, match="new is being trained by another process"):
        make_new(old.with_name("new"), overwrite=True)
    assert looks == [old.with_name("new")] * 2
    assert beside(old) == [".new-replaced-0123abcd", "run"]


def test_a_start_that_saved_nothing_is_blank_and_a_trained_run_is_not(old, tmp_path):
    assert not is_blank(old)
    assert record(old)["epochs_done"] == 0
    (old / names.CHECKPOINT).unlink()
    assert is_blank(old)
    set_record(old, epochs_done=1)  # its checkpoint is lost
    assert not is_blank(old)
    set_record(old, epochs_done=0)
    (old / names.SAMPLES).write_bytes(b"")
    assert not is_blank(old)


@posix
@pytest.mark.slow
def test_no_two_deaths_lose_a_run(tmp_path):
    """At any change of the disk while a run is replaced, then while that is mended."""
    command = [sys.executable, "-m", "tests.run.deaths"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    replaced, failed = (list(map(int, line.split())) for line in done.stdout.splitlines())
    assert replaced[0] > replaced[1] > 100  # deaths, and those that gave the old run back
    assert failed[0] == failed[1] > 100


def test_a_run_that_was_set_aside_is_no_newest_run(old, tmp_path):
    with run_lock(set_aside_by_a_kill(old)):  # by a process that is at it
        assert runs_newest_first(tmp_path) == []
        with pytest.raises(RunError, match="There is no trained run"):
            latest_run(tmp_path)
    with pytest.warns(RestoredWarning):
        assert latest_run(tmp_path).folder == old


@pytest.mark.parametrize("name", ["a\0b", "a" * 300, "loop", "."])
def test_a_name_that_nothing_can_have_is_none_of_a_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    recover(Path(name))
    with pytest.raises(RunError):
        open_run(name)


@posix
@pytest.mark.parametrize("name", [names.RECORD, names.CONFIG, names.LOG, names.CHECKPOINTS])
def test_what_is_no_file_of_a_start_is_not_taken_for_one(tmp_path, name):
    """Nor is it opened: a pipe would wait for a writer."""
    run = make_run(Config(), tmp_path / "run").folder
    path = run / name
    path.rmdir() if name == names.CHECKPOINTS else path.unlink(missing_ok=True)
    assert is_blank(run) or name == names.RECORD
    os.mkfifo(path)
    assert not is_blank(run)
    with pytest.raises(ConfigError, match="is not empty"):
        make_new(run, overwrite=False)


def test_a_dot_in_the_name_of_a_run_is_a_dot(old, tmp_path):
    other = old.rename(tmp_path / ".axb-replaced-01234567")
    assert find_aside(tmp_path / "a.b") == []
    assert find_aside(tmp_path / "axb") == [other]
