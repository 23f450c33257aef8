"""`vaecli refit`, and what other commands make of a run with a fitted prior."""

import pickle
import shutil
from pathlib import Path

import pytest

import vaecli
from tests.runs import arguments, assert_same_tensors
from tests.runs import tensors as tensors_of
from vaecli.run import names

MIXTURE = "mixture:components=3,iterations=2"


@pytest.fixture(scope="module")
def fitted(digits, tmp_path_factory):
    """A run with a fitted prior and a checkpoint from before the fit; do not write to it."""
    from tests.conftest import vaecli as command_line

    folder = tmp_path_factory.mktemp("fitted") / "run"
    options = ("-q", "--epochs", 1, "--save-every", 1, "--fitted-prior", MIXTURE)
    assert command_line(*arguments(digits, folder, *options)) == 0
    return folder


def test_refit_prints_the_new_run_and_leaves_the_old_one(cli, fitted, tmp_path):
    before = (fitted / names.CHECKPOINT).read_bytes()
    done = cli("refit", fitted, "--prior", "mixture:components=2", "-o", tmp_path / "new", "-q")
    assert (done.status, done.out, done.err) == (0, f"{tmp_path / 'new'}\n", "")
    assert tensors_of(tmp_path / "new")["fitted_prior.loc"].shape[1] == 2
    assert (fitted / names.CHECKPOINT).read_bytes() == before


def test_a_directory_that_holds_something_is_refused_with_the_option_of_refit(cli, fitted):
    before = (fitted / names.CHECKPOINT).read_bytes()
    done = cli("refit", fitted, "--prior", "none", "-o", fitted)
    assert done.status == 2
    assert done.err == f"Error: {fitted} is not empty. Choose another directory with -o.\n"
    assert (fitted / names.CHECKPOINT).read_bytes() == before


def test_without_a_fit_samples_are_those_of_the_prior_of_training(cli, fitted, tmp_path):
    pictures = {}
    assert cli("refit", fitted, "--prior", "none", "-o", tmp_path / "plain", "-q").status == 0
    for name, words in {
        "plain": ("-r", tmp_path / "plain"),
        "none": ("-r", fitted, "--fit", "none"),
        "fitted": ("-r", fitted),
    }.items():
        done = cli("sample", *words, "-n", 9, "-o", tmp_path / f"{name}.png")
        assert (done.status, done.err) == (0, "")
        pictures[name] = (tmp_path / f"{name}.png").read_bytes()
    assert pictures["none"] == pictures["plain"] != pictures["fitted"]


@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_a_checkpoint_without_the_prior_of_its_run_is_read_with_a_warning(
    cli, fitted, tmp_path, command
):
    unfitted = fitted / "checkpoints" / "epoch-0001.safetensors"
    output = {"sample": ("-o", tmp_path / "x.png"), "evaluate": ()}[command]
    done = cli(command, "-r", unfitted, *output)
    assert done.status == 0
    assert f"Warning: {unfitted} has no fitted prior" in done.err
    assert "the prior of training, normal, is used instead" in done.err
    assert "no fitted prior" not in cli(command, "-r", fitted, *output).err


def test_another_process_can_evaluate_a_run_without_its_directory(fitted, tmp_path):
    """With its fitted prior and with that of training, but without the state of the optimizer."""
    folder = Path(shutil.copytree(fitted, tmp_path / "run"))
    sent = pickle.dumps(vaecli.open(folder).for_evaluation())
    shutil.rmtree(folder)
    received = pickle.loads(sent)
    original = vaecli.open(fitted)
    assert len(sent) < (fitted / names.CHECKPOINT).stat().st_size / 2
    assert received.config == original.config
    assert received.has_fitted_prior()
    for has_fit in (True, False):
        expected = original.model(has_fit).state_dict()
        assert_same_tensors(received.model(has_fit).state_dict(), expected)
