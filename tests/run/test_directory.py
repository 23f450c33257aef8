"""Run directories are made exclusively, and removed only if they hold nothing but a run."""

import json

import pytest

import vaecli
from vaecli.config.config import Config
from vaecli.system.errors import ConfigError, DataError


def test_names_count_up_and_are_never_shared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [create(Config()).folder.name for _ in range(3)]
    assert names == ["mnist-vae-1", "mnist-vae-2", "mnist-vae-3"]


def test_a_folder_with_something_in_it_is_not_taken(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match="is not empty"):
        create(Config(), tmp_path)
    with (
        pytest.raises(ConfigError, match=r"mine.txt is not vaecli's"),
        new_run(Config(), tmp_path, overwrite=True),
    ):
        pass
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_overwriting_replaces_a_run(run_dir):
    with new_run(Config(epochs=7), run_dir, overwrite=True) as run:
        assert run.folder == run_dir
    found = {"config.json", "run.json", "checkpoints", "samples"}
    assert {p.name for p in run_dir.iterdir()} == found
    assert list(run_dir.parent.iterdir()) == [run_dir]
    assert json.loads((run_dir / "config.json").read_text())["epochs"] == 7


def test_overwriting_refuses_the_working_directory_home_and_links(run_dir, tmp_path, monkeypatch):
    link = tmp_path / "link"
    link.symlink_to(run_dir)
    monkeypatch.chdir(run_dir / "samples")
    monkeypatch.setenv("HOME", str(run_dir))
    for folder in (link, run_dir, run_dir / "samples", run_dir / ".." / "run"):
        with (
            pytest.raises(ConfigError, match="does not remove"),
            new_run(Config(), folder, overwrite=True),
        ):
            pass
    assert (run_dir / "run.json").exists()


def test_a_mistake_gives_the_overwritten_run_back(run_dir):
    before = {p: p.read_bytes() for p in run_dir.rglob("*") if p.is_file()}
    with pytest.raises(DataError), new_run(Config(epochs=7), run_dir, overwrite=True):
        raise DataError("no images")
    assert {p: p.read_bytes() for p in run_dir.rglob("*") if p.is_file()} == before
    assert list(run_dir.parent.iterdir()) == [run_dir]


def test_a_mistake_leaves_no_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError), new_run(Config(), None, overwrite=False):
        raise DataError("no images")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file/run", "a" * 300])
def test_a_directory_that_cannot_be_made_is_named(tmp_path, place):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="Cannot make the run directory"):
        create(Config(), tmp_path / place)


@pytest.mark.parametrize(
    "name", ["thesis.txt", "checkpoints/mine.txt", "samples/epoch-1.png", "sub/x"]
)
def test_overwriting_refuses_a_folder_with_anything_else_in_it(run_dir, name):
    (run_dir / name).parent.mkdir(exist_ok=True)
    (run_dir / name).write_text("precious")
    with (
        pytest.raises(ConfigError, match=r"is not vaecli's"),
        new_run(Config(), run_dir, overwrite=True),
    ):
        pass
    assert (run_dir / name).read_text() == "precious"


def test_overwriting_refuses_a_run_that_is_being_trained(run_dir):
    with (
        vaecli.open(run_dir).hold(),
        pytest.raises(ConfigError, match="is being trained by process"),
        new_run(Config(), run_dir, overwrite=True),
    ):
        pass
    assert (run_dir / "losses.csv").exists()
