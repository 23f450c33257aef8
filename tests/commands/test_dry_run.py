"""What is found out before training: by a dry run, and about disk and memory."""

import re
import shutil
from collections import namedtuple

import pytest

import vaecli
from tests.commands.test_process import arguments
from tests.conftest import bars, write_idx
from vaecli.system import machine

Usage = namedtuple("Usage", "total used free")


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(cli, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli(*arguments(digits, tmp_path / "a" / "run", "--dry-run", "--epochs", 7))
    assert done.status == 0
    first, second, third = done.out.splitlines()
    config = vaecli.Config(latent_dim=3, network="mlp:width=16,depth=1")
    count = vaecli.start(config, bars(8)).parameters
    assert first == f"{count:,} parameters on cpu."
    assert re.fullmatch(
        r"About 0:00:\d\d for 7 epochs of \d\.\d s, pictures aside, [\d,]+ MB of memory and "
        r"\d+ MB of disk\.",
        second,
    )
    assert third == "Nothing was written."
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_a_resume_checks_the_run_and_leaves_it(cli, run_dir, digits):
    before = files(run_dir)
    done = cli("train", "--resume", run_dir, "--epochs", 5, "--dry-run")
    assert " for 3 epochs of " in done.out
    assert " for 1 epoch of " in cli("train", "--resume", run_dir, "--epochs", 3, "--dry-run").out
    assert files(run_dir) == before
    vaecli.open(run_dir).note(data={"train": "0" * 64, "test": "0" * 64})
    assert cli("train", "--resume", run_dir, "--epochs", 5, "--dry-run").status == 2


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (["--device", "cuda:77"], 2, "this machine has"),
        (["--lr", "inf"], 2, "--lr"),
        (["--data-dir", "nowhere"], 3, "nowhere has no file"),
    ],
)
def test_a_dry_run_finds_mistakes(cli, digits, tmp_path, options, status, reason):
    done = cli(*arguments(digits, tmp_path / "run", "--dry-run", *options))
    assert (done.status, done.out) == (status, "")
    assert reason in done.err
    assert not (tmp_path / "run").exists()


def test_a_dry_run_looks_at_the_run_directory(cli, digits, run_dir, tmp_path):
    done = cli(*arguments(digits, run_dir, "--dry-run"))
    assert done.status == 2
    assert "is not empty" in done.err
    assert cli(*arguments(digits, run_dir, "--dry-run", "--overwrite")).status == 0
    (run_dir / "thesis.txt").write_text("precious")
    assert cli(*arguments(digits, run_dir, "--dry-run", "--overwrite")).status == 2
    done = cli(*arguments(digits, run_dir / "thesis.txt" / "x", "--dry-run"))
    assert done.status == 2
    assert "cannot be written to" in done.err


def test_too_little_disk_is_status_6_before_training(cli, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 50_000))
    done = cli(*arguments(digits, tmp_path / "run"))
    assert (done.status, done.out) == (6, "")
    assert re.search(r"run needs about \d+ MB of disk, and 0 MB are left", done.err)
    assert list(tmp_path.iterdir()) == []
    assert cli(*arguments(digits, tmp_path / "run", "--dry-run")).status == 6


def test_the_estimate_of_disk_covers_what_a_run_writes(cli, digits, tmp_path):
    """And is no more than a few times that."""
    run = tmp_path / "run"
    options = ("-q", "--epochs", 4, "--save-every", 1, "--validation", 16)
    wide = ("--network", "mlp:width=256,depth=2")
    cli(*arguments(digits, run, *options, *wide))
    written = sum(p.stat().st_size for p in (run / "checkpoints").iterdir())
    config = vaecli.open(run).config
    new = vaecli.run.Run(tmp_path / "new", tmp_path / "new/checkpoints/last.safetensors")
    expected = new.expected_size(vaecli.start(config, bars(8)))
    assert written <= expected <= 2 * written


def test_data_that_do_not_fit_the_memory_are_not_read(cli, tmp_path, monkeypatch):
    data = write_idx(tmp_path / "data")
    monkeypatch.setattr(machine, "available_memory", lambda: 96 * 64 - 1)
    done = cli(*arguments(data, tmp_path / "run"))
    assert (done.status, done.out) == (6, "")
    assert "train-images-idx3-ubyte.gz needs 0 MB of memory, and 0 MB are left" in done.err
    monkeypatch.setattr(machine, "available_memory", lambda: 96 * 64)
    assert cli(*arguments(data, tmp_path / "run", "-q", "--epochs", 1)).status == 0
