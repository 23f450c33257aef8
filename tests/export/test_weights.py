"""The weights of a model alone, which `safetensors` and vaecli read."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tests.conftest import TINY
from tests.runs import header, tensors
from vaecli.config.config import Config
from vaecli.export.weights import save_weights, without_folders
from vaecli.run import names
from vaecli.run.find import open_run
from vaecli.system.errors import RunError


@pytest.fixture
def exported(trained, tmp_path):
    return save_weights(open_run(trained), tmp_path)


def test_the_file_has_the_tensors_of_the_model_and_nothing_of_the_optimizer(trained, exported):
    found = load_file(exported)
    model = open_run(trained).model()
    assert found.keys() == {f"model.{name}" for name in model.state_dict()}
    for name, tensor in model.state_dict().items():
        assert torch.equal(found[f"model.{name}"], tensor), name
    assert any(name.startswith("optimizer.") for name in tensors(trained))
    assert exported.stat().st_size < (trained / names.CHECKPOINT).stat().st_size / 2


def test_one_key_of_metadata_says_what_the_model_is_and_names_no_folder(trained, exported):
    with safe_open(exported, framework="np") as file:
        metadata = file.metadata()
    assert list(metadata) == ["vaecli"]
    about = json.loads(metadata["vaecli"])
    expected = header(trained)
    assert about["config"].pop("data_dir") == f"./{expected['config']['data_dir'].split('/')[-1]}"
    del expected["config"]["data_dir"]
    for name in ("config", "shape", "classes", "history", "vaecli"):
        assert about[name] == expected[name], name
    assert str(trained.parent.parent).encode() not in exported.read_bytes()


def test_class_names_and_own_images_are_named_without_their_folder(pets, tmp_path):
    save_weights(open_run(pets), tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="np") as file:
        about = json.loads(file.metadata()["vaecli"])
    assert about["class_names"] == ["cat", "dog", "newt"]
    assert (about["config"]["data"], about["shape"]) == ("./pets", [3, 7, 9])
    assert str(pets.parent).encode() not in (tmp_path / "model.safetensors").read_bytes()


def test_bytes_are_the_same_in_another_process(trained, exported, tmp_path):
    code = (
        "import sys; from pathlib import Path; from vaecli.run.find import open_run;"
        "from vaecli.export.weights import save_weights;"
        "save_weights(open_run(sys.argv[1]), Path(sys.argv[2]))"
    )
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run([sys.executable, "-c", code, str(trained), str(other)], check=True)
    assert (other / exported.name).read_bytes() == exported.read_bytes()


def test_commands_read_it_as_the_run(trained, exported, cli, monkeypatch):
    monkeypatch.chdir(exported.parent)
    data_dir = open_run(trained).config.data_dir
    # the data are found in the current folder
    (exported.parent / data_dir.split("/")[-1]).symlink_to(data_dir)
    for command, result in (("sample", "samples.png"), ("embed", "embeddings.npz")):
        expected = exported.parent / f"expected-{result}"
        assert cli(command, "-r", trained, "-o", expected).status == 0
        assert cli(command, "-r", exported).status == 0
        assert (exported.parent / result).read_bytes() == expected.read_bytes()


def test_training_does_not_go_on_from_it_but_can_begin_with_it(exported, digits, tmp_path, cli):
    refused = cli("train", "--resume", exported)
    assert refused.status == 2
    assert "needs a checkpoint of the whole training" in refused.err
    words = ("--epochs", 1, "--data-dir", digits, *TINY, "--run-dir", tmp_path / "next")
    begun = cli("train", "--from", exported, *words)
    assert begun.status == 0
    assert "100 % of all numbers" in begun.err


def test_a_fitted_prior_goes_with_it(digits, tmp_path, cli):
    run = tmp_path / "run"
    options = ("--epochs", 1, "--fitted-prior", "mixture:components=2", "--run-dir", run)
    assert cli("train", "-q", "--data-dir", digits, *TINY, *options).status == 0
    path = save_weights(open_run(run), tmp_path)
    assert any(name.startswith(names.FITTED_PRIOR) for name in load_file(path))
    assert cli("sample", "-r", path, "-o", tmp_path / "a.png").status == 0
    assert cli("sample", "-r", run, "-o", tmp_path / "b.png").status == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("data", "found"),
    [("mnist", "mnist"), ("/home/me/photos", "./photos"), ("/a/b.npz", "./b.npz"), ("/", "./")],
)
def test_a_path_keeps_its_last_part(data, found):
    assert without_folders(Config(data=data)).data == found


def test_a_damaged_checkpoint_is_refused(run_dir, tmp_path):
    path = run_dir / names.CHECKPOINT
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        save_weights(open_run(run_dir), tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
