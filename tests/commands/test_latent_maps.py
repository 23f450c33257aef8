"""Latents that are a map, through every command."""

import json
import re

import numpy as np
import pytest

import vaecli
from tests import runs
from tests.commands.pictures import picture
from tests.conftest import bars

MAP = ("--network", "conv:width=4,latent=map", "--batch-size", 32)


def train(cli, digits, run, *more):
    return cli("train", "--data-dir", digits, *MAP, "--run-dir", run, *more)


@pytest.fixture
def run(cli, digits, tmp_path):
    """A run of one epoch, with what it printed."""
    done = train(cli, digits, tmp_path / "run", "--epochs", 1)
    assert done.status == 0
    return tmp_path / "run", done.err


def test_training_says_the_shape_of_the_map_and_writes_the_number_of_latents(run):
    folder, said = run
    assert re.search(r"parameters, latents 4x2x2 \(16\), 96 training and", said)
    assert runs.config(folder)["latent_dim"] == 16
    assert runs.header(folder)["config"]["latent_dim"] == 16
    assert "latent=map" in runs.config(folder)["network"]


def test_every_command_reads_a_map(cli, run, tmp_path):
    folder, _ = run
    for command in (["sample", "-n", 4], ["reconstruct"]):
        done = cli(command[0], "-r", folder, *command[1:])
        assert (done.status, done.err) == (0, "")
        assert picture(done.out.strip()).ndim >= 2
    found = json.loads(cli("evaluate", "-r", folder, "--samples", 3).out)
    assert found["rate"] > 0
    assert cli("embed", "-r", folder, "--plot", tmp_path / "a.png").status == 0
    assert cli("classify", "-r", folder, "--labels", 20).status == 0


def test_embeddings_hold_the_shape_of_the_map(cli, run):
    folder, _ = run
    assert cli("embed", "-r", folder).status == 0
    found = np.load(folder / "embeddings.npz")
    assert found["mean"].shape == found["log_var"].shape == (40, 16)
    assert found["map_shape"].tolist() == [2, 2, 4]
    posterior = vaecli.open(folder).model().posterior
    features = posterior.encoder(bars(40, seed=1).pixels(slice(None))).view(40, -1, 2, 2)
    maps = posterior.head.convolution(features)[:, :4].permute(0, 2, 3, 1).detach()
    np.testing.assert_allclose(found["mean"].reshape(40, 2, 2, 4), maps, atol=1e-5)


def test_a_run_goes_on_as_if_it_had_not_stopped(cli, digits, run, tmp_path):
    folder, _ = run
    runs.set_record(folder, status="interrupted")
    assert cli("train", "--resume", folder, "--epochs", 3).status == 0
    whole = tmp_path / "whole"
    assert train(cli, digits, whole, "--epochs", 3).status == 0
    runs.assert_same_tensors(runs.tensors(folder), runs.tensors(whole))


@pytest.mark.parametrize(
    ("latent_dim", "said"),
    [
        (0, "Error: --latent-dim 0: should be greater than or equal to 1.\n"),
        (3, "Error: --latent-dim 3: a map of 2x2 needs a multiple of 4: use 4.\n"),
        (18, "Error: --latent-dim 18: a map of 2x2 needs a multiple of 4: use 16 or 20.\n"),
    ],
)
def test_a_number_of_latents_that_is_no_map_ends_in_a_sentence(
    cli, digits, tmp_path, latent_dim, said
):
    done = train(cli, digits, tmp_path / "run", "--latent-dim", latent_dim)
    assert done == (2, "", said)
    assert not (tmp_path / "run").exists()


def test_more_latents_than_memory_holds_are_refused_before_they_are_made(cli, digits, tmp_path):
    done = train(cli, digits, tmp_path / "run", "--latent-dim", 2**31 - 4)
    assert done.status == 6
    assert "Training a model of this width and latent_dim needs " in done.err


def test_codes_of_a_map_are_trained_and_sampled_with_a_fitted_prior(cli, digits, tmp_path):
    parts = ("--posterior", "quantized:codes=4,dim=4", "--prior", "codes")
    fitted = ("--fitted-prior", "autoregressive:width=8,epochs=1")
    run = tmp_path / "run"
    assert train(cli, digits, run, "--epochs", 1, *parts, *fitted).status == 0
    assert cli("sample", "-r", run, "-n", 4).status == 0
    quantizer = vaecli.open(run).model().posterior.quantizer
    assert quantizer.positions == 4
