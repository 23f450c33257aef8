"""New run directories: made exclusively, and undone if the start of a training fails."""

import json
import subprocess
import sys

import pytest

import vaecli
from tests.runs import contents, record
from vaecli.config.config import Config, to_json
from vaecli.run import names
from vaecli.run.create import make_run, new_run, planned_run
from vaecli.run.lock import run_lock
from vaecli.system.errors import ConfigError, DataError


def replace_run(folder, config=None):
    """A new run in place of the one in `folder`, with something like a checkpoint."""
    with new_run(config or Config(), folder, overwrite=True) as run:
        run.checkpoint.write_bytes(b"weights")
    return run


def test_a_new_run_holds_its_configuration_and_its_record(tmp_path):
    run = make_run(Config(seed=3), tmp_path / "run")
    assert {p.name for p in run.folder.iterdir()} == {
        "config.json",
        "run.json",
        "checkpoints",
        "samples",
    }
    assert to_json(vaecli.open(run.folder).config) == to_json(Config(seed=3))
    assert record(run.folder)["status"] == "running"
    assert record(run.folder)["seed"] == 3
    assert run.checkpoint == run.folder / names.CHECKPOINT


def test_run_names_count_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = [make_run(Config()).folder.name for _ in range(3)]
    assert found == ["mnist-vae-1", "mnist-vae-2", "mnist-vae-3"]


def test_eight_starts_at_once_get_eight_directories(tmp_path):
    code = "from vaecli.run.create import make_run; import vaecli; "
    code += "print(make_run(vaecli.Config()).folder)"
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, cwd=tmp_path, stdout=-1, text=True) for _ in range(8)]
    found = {process.communicate()[0] for process in processes}
    assert found == {f"runs/mnist-vae-{n}\n" for n in range(1, 9)}


def test_a_folder_that_is_not_empty_is_not_taken(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match=r"is not empty\. Choose another --run-dir"):
        make_run(Config(), tmp_path)
    assert contents(tmp_path) == {tmp_path / "mine.txt": b"precious"}


def test_overwriting_replaces_a_run(run_dir):
    run = replace_run(run_dir, Config(epochs=7))
    assert run.folder == run_dir
    assert {p.name for p in run_dir.iterdir()} == {
        "config.json",
        "run.json",
        "checkpoints",
        "samples",
    }
    assert list(run_dir.parent.iterdir()) == [run_dir]
    assert json.loads((run_dir / "config.json").read_text())["epochs"] == 7


def test_overwriting_nothing_makes_a_run(tmp_path):
    assert replace_run(tmp_path / "new").folder == tmp_path / "new"
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


def test_overwriting_needs_a_folder():
    with pytest.raises(ConfigError, match="--overwrite needs --run-dir"):
        replace_run(None)


def test_overwriting_refuses_the_working_directory_and_those_above_it(run_dir, monkeypatch):
    monkeypatch.chdir(run_dir / "samples")
    for folder in (run_dir, run_dir / "samples", run_dir / ".." / "run"):
        with pytest.raises(ConfigError, match=r"refuses to delete .*not an ordinary run directory"):
            replace_run(folder)
    assert (run_dir / "run.json").exists()


@pytest.mark.parametrize("home", ["", "samples"])
def test_overwriting_refuses_the_home_directory_and_those_above_it(run_dir, monkeypatch, home):
    monkeypatch.setenv("HOME", str(run_dir / home))
    with pytest.raises(ConfigError, match=r"refuses to delete .*not an ordinary run directory"):
        replace_run(run_dir)
    assert (run_dir / "run.json").exists()


def test_overwriting_refuses_a_link_to_a_run(run_dir, tmp_path):
    """It would replace the link and leave the run."""
    link = tmp_path / "link"
    link.symlink_to(run_dir)
    with pytest.raises(ConfigError, match="not an ordinary run directory"):
        replace_run(link)
    assert link.is_symlink()


@pytest.mark.parametrize(
    "name", ["thesis.txt", "checkpoints/mine.txt", "samples/epoch-1.png", "sub/x"]
)
def test_overwriting_refuses_a_folder_with_anything_else_in_it(run_dir, name):
    (run_dir / name).parent.mkdir(exist_ok=True)
    (run_dir / name).write_text("precious")
    before = contents(run_dir)
    with pytest.raises(ConfigError, match=r"refuses to delete .*: vaecli did not write "):
        replace_run(run_dir)
    assert contents(run_dir) == before


def test_overwriting_refuses_a_folder_whose_record_is_foreign(run_dir):
    (run_dir / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"refuses to delete .*not written by vaecli"):
        replace_run(run_dir)
    assert (run_dir / "losses.csv").exists()


def test_overwriting_refuses_a_file(tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConfigError, match="it is not a directory"):
        replace_run(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def test_overwriting_refuses_a_run_that_is_being_trained(run_dir):
    with run_lock(run_dir), pytest.raises(ConfigError, match="is being trained by process"):
        replace_run(run_dir)
    assert (run_dir / "losses.csv").exists()


def test_overwriting_removes_only_files_that_vaecli_names_itself(run_dir):
    (run_dir / "embeddings.npz").write_bytes(b"")
    (run_dir / "checkpoints" / ".tmp-00ff00ff").write_bytes(b"half")
    replace_run(run_dir)
    (run_dir / "latent.png").write_bytes(b"")  # a name that the user chose
    with pytest.raises(ConfigError, match=r"did not write latent\.png"):
        replace_run(run_dir)


@pytest.mark.parametrize("error", [DataError("no images"), MemoryError(), KeyboardInterrupt()])
def test_a_start_that_fails_gives_the_replaced_run_back(run_dir, error):
    before = contents(run_dir)
    with pytest.raises(type(error)), new_run(Config(epochs=7), run_dir, overwrite=True):
        raise error
    assert contents(run_dir) == before
    assert list(run_dir.parent.iterdir()) == [run_dir]


@pytest.mark.parametrize("error", [DataError("no images"), MemoryError(), KeyboardInterrupt()])
def test_a_start_that_fails_leaves_no_directory(tmp_path, monkeypatch, error):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(type(error)), new_run(Config(), None, overwrite=False):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_fails_keeps_the_other_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = make_run(Config())
    with pytest.raises(DataError), new_run(Config(), None, overwrite=False):
        raise DataError("no images")
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [other.folder.name]


@pytest.mark.parametrize("place", ["file/run", "a" * 300])
def test_a_directory_that_cannot_be_made_is_named(tmp_path, place):
    (tmp_path / "file").write_bytes(b"")
    for make in (
        lambda: make_run(Config(), tmp_path / place),
        lambda: planned_run(tmp_path / place, overwrite=False),
        lambda: planned_run(tmp_path / place, overwrite=True),
        lambda: replace_run(tmp_path / place),
    ):
        with pytest.raises(ConfigError, match=rf"{place}"):
            make()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_planned_run_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert planned_run(tmp_path / "a" / "run", overwrite=False).folder == tmp_path / "a" / "run"
    assert str(planned_run(None, overwrite=False).folder) == "runs"
    assert list(tmp_path.iterdir()) == []


def test_a_planned_run_is_refused_where_a_new_one_would_be(run_dir):
    assert planned_run(run_dir, overwrite=True).folder == run_dir
    with pytest.raises(ConfigError, match="is not empty"):
        planned_run(run_dir, overwrite=False)
    with pytest.raises(ConfigError, match="--overwrite needs --run-dir"):
        planned_run(None, overwrite=True)
    (run_dir / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match=r"did not write thesis\.txt"):
        planned_run(run_dir, overwrite=True)
    with pytest.raises(ConfigError, match="is not writable"):
        planned_run(run_dir / "thesis.txt" / "run", overwrite=False)
