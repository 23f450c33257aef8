"""How often a training reads and writes the two small files of its run."""

from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.runs import arguments
from vaecli.run import names
from vaecli.system import files


@pytest.fixture
def counts(monkeypatch):
    """How often each file was read and written, by `("read" or "write", its name)`."""
    found = Counter()
    write = files.write_atomic

    def counted_write(path, content):
        found["write", path.name] += 1
        write(path, content)

    def counted(owner, method):
        real = getattr(owner, method)

        def read(path, *arguments, **options):
            found["read", path.name] += 1
            return real(path, *arguments, **options)

        return read

    monkeypatch.setattr(files, "write_atomic", counted_write)
    monkeypatch.setattr(files, "read_file", counted(files, "read_file"))
    for method in ("read_bytes", "read_text"):
        monkeypatch.setattr(Path, method, counted(Path, method))
    return found


def assert_few(counts):
    assert 1 <= counts["read", names.RECORD] <= 2
    assert counts["write", names.CONFIG] == 1
    assert counts["write", names.RECORD] >= 3


def test_a_new_training_reads_run_json_twice_and_writes_config_json_once(
    cli, digits, tmp_path, counts
):
    assert cli(*arguments(digits, tmp_path / "run", "--epochs", 3)).status == 0
    assert_few(counts)
    assert counts["read", names.CONFIG] == 0


def test_a_training_in_the_runs_folder_reads_no_more(cli, digits, tmp_path, monkeypatch, counts):
    monkeypatch.chdir(tmp_path)
    assert cli("train", "--data-dir", digits, *TINY, "--epochs", 3).out == "runs/mnist-vae-1\n"
    assert_few(counts)


def test_a_resumed_training_reads_run_json_twice_and_writes_config_json_once(cli, run_dir, counts):
    assert cli("train", "--resume", run_dir, "--epochs", 5).status == 0
    assert_few(counts)


def test_every_epoch_replaces_run_json_once(cli, digits, tmp_path, counts):
    cli(*arguments(digits, tmp_path / "run", "-q", "--epochs", 3))
    three = counts["write", names.RECORD]
    counts.clear()
    cli(*arguments(digits, tmp_path / "other", "-q", "--epochs", 5))
    assert counts["write", names.RECORD] == three + 2
    assert counts["write", names.LOSSES] == counts["write", Path(names.CHECKPOINT).name] == 5
