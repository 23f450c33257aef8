"""A run directory, read."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import vaecli
from tests import runs
from tests.conftest import bars
from tests.conftest import vaecli as command_line
from vaecli.config.config import Config, to_json
from vaecli.run import checkpoint, names
from vaecli.run.create import make_run
from vaecli.run.directory import foreign_names
from vaecli.run.run import Run
from vaecli.run.writer import RunWriter
from vaecli.system.errors import RunError
from vaecli.training.loop import fit
from vaecli.training.state import start


def test_a_trained_run_holds_these_files(trained):
    assert {str(path.relative_to(trained)) for path in runs.contents(trained)} == {
        "config.json",
        "run.json",
        "losses.csv",
        "train.log",
        "checkpoints/last.safetensors",
        "data.png",
        "samples/epoch-0001.png",
        "samples/epoch-0002.png",
        "samples.png",
        "real-and-generated.png",
        "reconstructions.png",
        "loss.png",
    }


def test_config_json_holds_every_option_and_is_read_back(trained):
    values = runs.config(trained)
    assert values["network"] == "mlp:width=16,depth=1,activation=relu,norm=none,output_bias=zero"
    assert values.keys() == Config.__dataclass_fields__.keys()
    assert values == to_json(vaecli.open(trained).config)


def test_the_history_is_that_of_the_checkpoint(trained):
    history = vaecli.open(trained).history()
    rows = runs.losses(trained)
    assert [epoch.number for epoch in history] == [1, 2]
    assert [str(epoch.test["loss"]) for epoch in history] == [row["test_loss"] for row in rows]


def test_a_run_without_a_checkpoint_has_a_configuration_and_no_epoch(tmp_path):
    make_run(Config(seed=4), tmp_path / "run")
    run = vaecli.open(tmp_path / "run")
    assert to_json(run.config) == to_json(Config(seed=4))
    assert run.history() == []
    assert not run.has_checkpoint()
    for read in (run.model, run.losses):
        with pytest.raises(RunError, match="no checkpoint yet: its first epoch has not ended"):
            read()


def test_a_run_stopped_in_its_first_epoch_has_no_losses(run_dir):
    tensors, header = checkpoint.load(run_dir / names.CHECKPOINT)
    checkpoint.save(run_dir / names.CHECKPOINT, tensors, {**header, "history": []})
    (run_dir / names.LOSSES).unlink()
    assert vaecli.open(run_dir).history() == []
    with pytest.raises(RunError, match="has no epoch to plot yet"):
        vaecli.open(run_dir).losses()


def test_the_configuration_is_that_of_the_checkpoint_not_of_a_changed_file(run_dir):
    changed = {**runs.config(run_dir), "seed": 99}
    (run_dir / names.CONFIG).write_text(str(changed).replace("'", '"').replace("None", "null"))
    assert vaecli.open(run_dir).config.seed == 0


def test_a_run_is_named_as_its_folder(run_dir, monkeypatch):
    assert vaecli.open(run_dir).name == "run"
    monkeypatch.chdir(run_dir)
    assert vaecli.open(".").name == "run"


def test_a_lone_checkpoint_never_takes_the_losses_of_a_neighbour(run_dir, trained, monkeypatch):
    (run_dir / names.LOSSES).write_text("epoch\n9\n")
    lone = run_dir / "other" / "model.safetensors"
    lone.parent.mkdir()
    shutil.copy(trained / names.CHECKPOINT, lone)
    assert vaecli.open(lone).folder == lone.parent
    assert vaecli.open(lone).losses()["epoch"] == [1, 2]
    monkeypatch.chdir(lone.parent)
    (lone.parent / names.LOSSES).write_text("epoch\n9\n")
    assert vaecli.open(lone.name).losses()["epoch"] == [1, 2]


@pytest.mark.parametrize(
    ("place", "method", "read"),
    [(Path, "is_file", Run.model), (Path, "open", Run.model), (os, "open", Run.losses)],
)
def test_a_file_that_may_not_be_read_is_named(run_dir, monkeypatch, place, method, read):
    def denied(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    run = vaecli.open(run_dir)
    monkeypatch.setattr(place, method, denied)
    with pytest.raises(RunError, match=r"Cannot read .*: Permission denied"):
        read(run)


@pytest.fixture
def classifying(tmp_path):
    """The directory of a run whose objective has a classifier, and its state."""
    train = bars(40).hide_labels(20, 0)
    config = Config(
        latent_dim=2,
        network="mlp:width=4,depth=1,norm=batch",
        objective="m2",
        conditional=True,
        labels=20,
        epochs=1,
    )
    state = start(config, train)
    list(fit(state, train, train))
    with RunWriter(make_run(config, tmp_path / "run")) as writer:
        writer.save(state)
    return tmp_path / "run", state


def test_the_parts_of_a_run_are_those_that_were_trained(classifying):
    folder, state = classifying
    model, objective = vaecli.open(folder).parts()
    assert (model.training, objective.training) == (False, False)
    runs.assert_same_tensors(model.state_dict(), state.model.state_dict())
    runs.assert_same_tensors(objective.state_dict(), state.objective.state_dict())


def test_an_objective_that_does_not_fit_is_refused_where_it_is_read(classifying):
    folder, _ = classifying
    tensors, header = checkpoint.load(folder / names.CHECKPOINT)
    tensors["objective.classifier"] = torch.zeros(2)
    checkpoint.save(folder / names.CHECKPOINT, tensors, header)
    run = vaecli.open(folder)
    assert not run.model().training
    with pytest.raises(RunError, match=r"classifier: expected nothing, found \(2,\)"):
        run.parts()


def test_one_epoch_is_enough_to_know_that_a_checkpoint_is_lost(run_dir):
    (run_dir / names.CHECKPOINT).unlink()
    runs.set_record(run_dir, epochs_done=1)
    with pytest.raises(RunError, match=r"is missing, though run\.json counts 1 finished"):
        vaecli.open(run_dir, "last").has_checkpoint()
    runs.set_record(run_dir, epochs_done=0)
    assert not vaecli.open(run_dir, "last").has_checkpoint()


def test_after_epoch_9999_comes_epoch_10000(run_dir):
    """Their names would be sorted the other way round; both are files of a run."""
    for number in (1, 9999, 10_000):
        (run_dir / names.EPOCH_CHECKPOINT.format(number)).write_bytes(b"")
        (run_dir / names.EPOCH_SAMPLES.format(number)).write_bytes(b"")
    assert foreign_names(run_dir) == []
    (run_dir / names.CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"Use \S*epoch-10000\.safetensors;"):
        vaecli.open(run_dir, "last").model()


@pytest.mark.parametrize("preset", ["sharp", "vq-vae"])
def test_a_fitted_prior_is_read_without_the_compiler(digits, tmp_path, preset):
    """Some operations on the meta device import torch's compiler, which takes a second."""
    spec = {"sharp": "mixture:components=2", "vq-vae": "autoregressive:epochs=1,width=8"}[preset]
    options = ("-q", "--epochs", 1, "--preset", preset, "--latent-dim", 4, "--fitted-prior", spec)
    assert command_line(*runs.arguments(digits, tmp_path / "run", *options)) == 0
    code = (
        "import sys, vaecli; vaecli.open(sys.argv[1]).model().sample(2); "
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr
