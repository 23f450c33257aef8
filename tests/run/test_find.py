"""Runs on the disk: opened by their path, and the newest one found."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch

import vaecli
from tests.runs import set_record
from vaecli.run import names
from vaecli.run.find import find_latest_run, latest_run, open_run, runs_newest_first
from vaecli.system.errors import RunError

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def root(run_dir, tmp_path):
    """A folder of three runs: a started last, then b, then c."""
    root = tmp_path / "runs"
    for name, day in (("b", 2), ("a", 3), ("c", 1)):
        shutil.copytree(run_dir, root / name)
        set_record(root / name, started=str(START + timedelta(day)))
    (root / "foreign").mkdir()
    (root / "broken" / "checkpoints").mkdir(parents=True)
    (root / "broken" / names.CHECKPOINT).write_bytes(b"")
    (root / "broken" / names.CONFIG).write_text("{}")
    (root / "broken" / names.RECORD).write_text("{")
    return root


def test_a_model_is_read_from_the_directory_or_from_the_file_alone(trained, tmp_path):
    lone = tmp_path / "copy.safetensors"
    lone.write_bytes((trained / names.CHECKPOINT).read_bytes())
    images = []
    for path in (trained, str(trained), trained / names.CHECKPOINT, lone):
        model = vaecli.open(path).model()
        assert not model.training
        torch.manual_seed(0)
        images.append(model.sample(4))
    for other in images[1:]:
        torch.testing.assert_close(other, images[0], rtol=0, atol=0)
    assert vaecli.open(trained / names.CHECKPOINT).folder == trained
    assert vaecli.open(lone).folder == tmp_path
    assert vaecli.open(lone).losses() == vaecli.open(trained).losses()


def test_a_checkpoint_in_a_folder_that_is_called_checkpoints_may_be_alone(trained, tmp_path):
    lone = tmp_path / "checkpoints" / "vae.safetensors"
    lone.parent.mkdir()
    shutil.copy(trained / names.CHECKPOINT, lone)
    assert vaecli.open(lone).folder == lone.parent
    assert vaecli.open(lone).model()


def test_a_file_beside_the_checkpoints_of_a_run_is_not_one_of_them(run_dir):
    """Its folder takes what is made of it, not the run."""
    (run_dir / "kept").mkdir()
    copy = run_dir / "kept" / "copy.safetensors"
    copy.write_bytes((run_dir / names.CHECKPOINT).read_bytes())
    assert open_run(copy).folder == run_dir / "kept"


def test_the_best_checkpoint_is_read_unless_told_otherwise(run_dir):
    last = run_dir / names.CHECKPOINT
    assert open_run(run_dir).checkpoint == last
    with pytest.raises(RunError, match="has no best checkpoint: train it with --validation N"):
        open_run(run_dir, "best")
    shutil.copy(last, run_dir / names.BEST)
    assert open_run(run_dir).checkpoint == run_dir / names.BEST
    assert open_run(run_dir, "best").checkpoint == run_dir / names.BEST
    assert open_run(run_dir, "last").checkpoint == last


def test_opening_what_is_no_run_says_how_to_make_one(tmp_path):
    with pytest.raises(
        RunError, match=r"is not a run directory: it has no config\.json\. Make a run with"
    ):
        open_run(tmp_path)
    with pytest.raises(RunError, match=r"does not exist\. Make a run with: vaecli train"):
        open_run(tmp_path / "none")


def test_a_path_that_may_not_be_read_is_named(run_dir, monkeypatch):
    def denied(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", denied)
    with pytest.raises(RunError, match=r"Cannot read .*run: Permission denied"):
        open_run(run_dir)


def test_runs_are_sorted_by_their_start_whatever_the_times_of_their_files(root):
    (root / "c" / names.CHECKPOINT).touch()
    assert [run.folder.name for run in runs_newest_first(root)] == ["a", "b", "c"]


def test_the_latest_run_is_the_one_that_started_last_of_those_with_a_checkpoint(root):
    assert latest_run(root).folder == root / "a"
    (root / "a" / names.CHECKPOINT).unlink()
    assert latest_run(root).folder == root / "b"
    assert find_latest_run(root) == open_run(root / "b", "last")


def test_the_latest_run_is_read_at_the_checkpoint_that_was_chosen(root):
    best = root / "a" / names.BEST
    shutil.copy(root / "a" / names.CHECKPOINT, best)
    assert latest_run(root).checkpoint == best
    assert latest_run(root, "last").checkpoint == root / "a" / names.CHECKPOINT


def test_without_a_run_the_error_says_how_to_make_one(tmp_path):
    assert find_latest_run(tmp_path) is None
    with pytest.raises(RunError, match=r"There is no trained run under .* vaecli train"):
        latest_run(tmp_path)
