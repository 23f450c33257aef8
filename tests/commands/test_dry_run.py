"""`vaecli train --dry-run`: what it prints, and that nothing is written."""

import re

import pytest

import vaecli
from tests import runs
from tests.conftest import bars
from tests.runs import arguments


def test_a_dry_run_says_what_a_training_needs_and_writes_nothing(
    cli, digits, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = cli(*arguments(digits, tmp_path / "a" / "run", "--dry-run", "--epochs", 7))
    assert (done.status, done.err) == (0, "")
    first, second, third = done.out.splitlines()
    config = vaecli.Config(latent_dim=3, network="mlp:width=16,depth=1")
    assert first == f"{vaecli.start(config, bars(8)).parameters:,} parameters on cpu."
    assert re.fullmatch(
        r"About 0:00:\d\d for 7 epochs of \d\.\d s, pictures not counted, [\d,]+ MB of memory and "
        r"\d+ MB of disk\.",
        second,
    )
    assert third == "Nothing was written."
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_a_resume_leaves_the_run_as_it_is(cli, run_dir):
    before = runs.contents(run_dir)
    done = cli("train", "--resume", run_dir, "--epochs", 5, "--dry-run")
    assert " for 3 epochs of " in done.out
    assert " for 1 epoch of " in cli("train", "--resume", run_dir, "--epochs", 3, "--dry-run").out
    assert runs.contents(run_dir) == before


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (["--device", "cuda:77"], 2, "this machine has"),
        (["--lr", "inf"], 2, "--lr"),
        (["--data-dir", "nowhere"], 3, "nowhere has no file"),
        (["--run-dir", "a" * 300], 2, "File name too long"),
    ],
)
def test_a_dry_run_finds_mistakes(cli, digits, tmp_path, monkeypatch, options, status, reason):
    monkeypatch.chdir(tmp_path)
    done = cli(*arguments(digits, tmp_path / "run", "--dry-run", *options))
    assert (done.status, done.out) == (status, "")
    assert reason in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_prints_warnings_on_stderr(cli, digits, tmp_path):
    options = ("--dry-run", "--compile", "--preset", "rae-gp")
    done = cli(*arguments(digits, tmp_path / "run", *options))
    assert done.status == 0
    assert done.err.startswith("Warning: torch cannot compile rae:")


def test_a_dry_run_refuses_a_directory_that_has_a_run_unless_it_is_overwritten(
    cli, digits, run_dir
):
    before = runs.contents(run_dir)
    done = cli(*arguments(digits, run_dir, "--dry-run"))
    assert (done.status, done.out) == (2, "")
    done = cli(*arguments(digits, run_dir, "--dry-run", "--overwrite"))
    assert done.status == 0
    assert runs.contents(run_dir) == before
