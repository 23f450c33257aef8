"""Logistic regression on latents, and the command that prints its error."""

import json

import pytest
import torch

import vaecli
from tests.conftest import TINY, bars
from vaecli import run as runs
from vaecli.config.config import Config
from vaecli.evaluation import classification
from vaecli.training.state import start


def clouds(spread, count=60, classes=3):
    """Normal clouds on a circle of radius 4, and which of them each point is from."""
    labels = torch.arange(count) % classes
    angles = 2 * torch.pi * labels / classes
    centres = 4 * torch.stack([angles.cos(), angles.sin()], dim=-1)
    return centres + spread * torch.randn(count, 2, generator=torch.manual_seed(0)), labels


def test_separable_classes_are_separated():
    features, labels = clouds(0.3)
    layer = classification.fit(features, labels, 3)
    assert classification.error(layer, features, labels) == 0
    assert classification.error(layer, features, (labels + 1) % 3) == 1
    half = torch.cat([labels[:30], (labels[30:] + 1) % 3])
    assert classification.error(layer, features, half) == 0.5


def test_it_is_the_maximum_of_likelihood_times_prior():
    """The gradient, written out, vanishes: the problem is convex, so there is no other."""
    features, labels = clouds(3.0)
    layer = classification.fit(features, labels, 3)
    x = features.double()
    wrong = (x @ layer.weight.T + layer.bias).softmax(-1) - torch.eye(3)[labels]
    assert (wrong.T @ x + classification.PRECISION * layer.weight).abs().max() < 1e-5
    assert wrong.sum(0).abs().max() < 1e-5
    assert layer.weight.abs().max() > 0.1


def test_classify_prints_one_strict_json_object(cli, run_dir):
    done = cli("classify", "-r", run_dir, "--labels", 40, "--seed", 3)
    assert (done.status, done.err) == (0, "")
    assert done.out.count("\n") == 1
    found = json.loads(done.out, parse_constant=pytest.fail)
    model, train, test = vaecli.open(run_dir).model(), bars(96).hide_labels(40, 3), bars(40, seed=1)
    z = model.embed(train.pixels(train.labelled_indices))
    layer = classification.fit(z, train.labels[train.labelled_indices], 2)
    guesses = layer(model.embed(test.pixels(slice(None))).double()).argmax(-1)
    wrong = (guesses != test.labels).double().mean().item()
    assert found == {"labels": 40, "seed": 3, "test_images": 40, "test_error": wrong}
    assert cli("classify", "-r", run_dir, "--labels", 40, "--seed", 3).out == done.out


def test_labels_that_the_classes_cannot_share_are_refused(cli, run_dir):
    done = cli("classify", "-r", run_dir, "--labels", 5)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Error: labels=5: must be a multiple of the 2 classes, at most ")


def test_a_model_that_is_given_the_labels_is_refused(cli, digits, tmp_path):
    options = dict(
        zip([o.strip("-").replace("-", "_") for o in TINY[::2]], TINY[1::2], strict=True)
    )
    config = Config(
        conditional=True, data_dir=str(digits), network=options["network"], latent_dim=3
    )
    run = runs.create(config, tmp_path / "run")
    run.save(start(config, bars(96)))
    done = cli("classify", "-r", run.folder)
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"Error: {run.folder} is given the labels: name a run without --conditional.\n"
    )
