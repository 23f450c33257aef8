"""The run that a command reads."""

import pytest

import vaecli
from tests.runs import arguments
from vaecli.run import names
from vaecli.system.errors import ConfigError, RunError
from vaecli.terminal.inputs import read_run


def test_a_run_is_read_by_its_directory_or_its_checkpoint(trained, capsys):
    assert read_run(trained) == vaecli.open(trained)
    last = trained / names.CHECKPOINT
    assert read_run(last) == vaecli.open(last)
    assert read_run(trained, "last").checkpoint == last
    with pytest.raises(RunError, match="has no best checkpoint"):
        read_run(trained, "best")
    assert capsys.readouterr() == ("", "")


def test_without_a_name_the_newest_run_is_read_and_named(
    cli, digits, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        assert cli(*arguments(digits, f"runs/{number}", "-q", "--epochs", 1)).status == 0
    assert read_run(None).folder.name == "2"
    said = capsys.readouterr().err
    assert said == "Reading runs/2, the newest run; -r chooses another.\n"
    with pytest.raises(RunError, match="has no best checkpoint"):
        read_run(None, "best")


def test_without_any_run_the_error_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="Make one with: vaecli train"):
        read_run(None)


def test_a_checkpoint_is_not_chosen_twice(trained):
    with pytest.raises(ConfigError, match="--checkpoint chooses in a run directory, but -r names"):
        read_run(trained / names.CHECKPOINT, "last")
